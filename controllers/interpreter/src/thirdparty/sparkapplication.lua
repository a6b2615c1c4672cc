-- Spark: a driver and executors.

local UNITS = {k = "Ki", m = "Mi", g = "Gi", t = "Ti", p = "Pi"}
local LEAST_OVERHEAD = "384Mi"

-- The memory of a pod: what Spark is given, and what it takes beside it.
local function memory_of(spec, part)
  local size = string.lower(part.memory or "1g")
  local number, unit = string.match(size, "^([%d.]+)([kmgtp])b?$")
  if number ~= nil then
    size = number .. UNITS[unit]
  end
  local factor = tonumber(spec.memoryOverheadFactor)
  if factor == nil then
    factor = (spec.type == "Python" or spec.type == "R") and 0.4 or 0.1
  end
  local overhead = LEAST_OVERHEAD
  if number ~= nil and kube.getResourceQuantity(size) * factor > kube.getResourceQuantity(LEAST_OVERHEAD) then
    overhead = string.format("%.14g", tonumber(number) * factor) .. UNITS[unit]
  end
  return kube.resourceAdd(size, overhead)
end

local function component(spec, name, replicas, part)
  local requirements = kube.accuratePodRequirements({
    spec = {nodeSelector = part.nodeSelector, tolerations = part.tolerations, affinity = part.affinity},
  }) or {}
  requirements.resourceRequest = {cpu = tostring(part.cores or 1), memory = memory_of(spec, part)}
  requirements.priorityClassName = part.priorityClassName
  return {name = name, replicas = replicas, replicaRequirements = requirements}
end

function GetComponents(obj)
  local spec = obj.spec or {}
  local executor = spec.executor or {}
  local executors = tonumber(executor.instances) or 1
  local dynamic = spec.dynamicAllocation
  if dynamic ~= nil and dynamic.enabled then
    executors = dynamic.initialExecutors or dynamic.minExecutors or executors
  end
  return {component(spec, "driver", 1, spec.driver or {}), component(spec, "executor", executors, executor)}
end

function ReflectStatus(observedObj)
  return reflect_fields(observedObj, {"applicationState", "driverInfo", "executorState", "sparkApplicationId",
    "lastSubmissionAttemptTime", "submissionAttempts", "executionAttempts", "submissionID", "terminationTime"})
end

-- Which member's state stands for all: what failed, then what has the longest way to go.
local STATES = {"COMPLETED", "SUCCEEDING", "RUNNING", "SUBMITTED", "", "UNKNOWN", "PENDING_RERUN", "INVALIDATING",
  "FAILING", "SUBMISSION_FAILED", "FAILED"}
local RANK = {}
for rank, state in ipairs(STATES) do
  RANK[state] = rank
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  if #statusItems == 1 then
    desiredObj.status = statusItems[1].status
    return desiredObj
  end
  local status, highest = {executorState = {}}, 0
  desiredObj.status = status
  sum(desiredObj, statusItems, {"submissionAttempts", "executionAttempts"})
  status.lastSubmissionAttemptTime = latest(statusItems, "lastSubmissionAttemptTime") or ""
  status.terminationTime = latest(statusItems, "terminationTime") or ""
  for i = 1, #statusItems do
    local member = statusItems[i].status or {}
    if member.applicationState ~= nil then
      local rank = RANK[member.applicationState.state or false]
      if rank > highest then
        status.applicationState, highest = member.applicationState, rank
      end
    end
    for executor, state in pairs(member.executorState or {}) do
      status.executorState[executor] = state
    end
  end
  return desiredObj
end

function InterpretHealth(observedObj)
  local application = observedObj.status ~= nil and observedObj.status.applicationState or {}
  local state = application.state
  return state ~= nil and state ~= "FAILED" and state ~= "SUBMISSION_FAILED"
end
