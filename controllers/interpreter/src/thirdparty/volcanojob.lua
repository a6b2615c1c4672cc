-- Volcano Job: tasks that start together.

function GetComponents(obj)
  local components = {}
  for i, task in ipairs((obj.spec or {}).tasks or {}) do
    local name = task.name
    if name == nil or name == "" then
      name = "task-" .. (i - 1)
    end
    components[#components + 1] = {
      name = name,
      replicas = task.minAvailable or 1,
      replicaRequirements = kube.accuratePodRequirements(task.template),
    }
  end
  return components
end

local COUNTERS = {"minAvailable", "pending", "running", "succeeded", "failed", "terminating", "unknown", "retryCount"}

function ReflectStatus(observedObj)
  local fields = {"state", "version", "runningDuration", "taskStatusCount", "controlledResources", "conditions"}
  for _, counter in ipairs(COUNTERS) do
    fields[#fields + 1] = counter
  end
  return reflect_fields(observedObj, fields)
end

-- How far a job is: a member that is behind adds nothing to the story.
local PROGRESS = {Pending = 1, Running = 2, Restarting = 3, Aborting = 3, Completing = 3, Terminating = 3,
  Aborted = 4, Completed = 4, Failed = 4, Terminated = 4}

local UNITS = {ns = 1e-9, us = 1e-6, ms = 1e-3, s = 1, m = 60, h = 3600}

-- The seconds of a duration such as "1h2m3s".
local function seconds(duration)
  local total = 0
  for amount, unit in string.gmatch(duration, "([%d.]+)(%a+)") do
    total = total + tonumber(amount) * (UNITS[unit] or 0)
  end
  return total
end

local function aggregated_conditions(items)
  local conditions, seen, reached = {}, {}, 0
  for _, condition in ipairs(all_conditions(items)) do
    local progress = PROGRESS[condition.status] or 0
    if not seen[condition.status] and progress >= reached then
      seen[condition.status] = true
      reached = progress
      conditions[#conditions + 1] = condition
    end
  end
  return conditions
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil or #statusItems == 0 then
    return desiredObj
  end
  if #statusItems == 1 then
    desiredObj.status = statusItems[1].status
    return desiredObj
  end
  local status = {taskStatusCount = {}, controlledResources = {}}
  local failed, completed = {}, 0
  for i = 1, #statusItems do
    local member = statusItems[i].status or {}
    for _, counter in ipairs(COUNTERS) do
      local total = (status[counter] or 0) + (member[counter] or 0)
      if total ~= 0 then
        status[counter] = total
      end
    end
    if member.version ~= nil and (status.version == nil or member.version > status.version) then
      status.version = member.version
    end
    if member.runningDuration ~= nil
      and (status.runningDuration == nil or seconds(member.runningDuration) > seconds(status.runningDuration)) then
      status.runningDuration = member.runningDuration
    end
    for task, count in pairs(member.taskStatusCount or {}) do
      local phases = (status.taskStatusCount[task] or {phase = {}}).phase
      for phase, number in pairs(count.phase or {}) do
        phases[phase] = (phases[phase] or 0) + number
      end
      status.taskStatusCount[task] = {phase = phases}
    end
    for name, resource in pairs(member.controlledResources or {}) do
      status.controlledResources[name] = resource
    end
    local phase = member.state ~= nil and member.state.phase or nil
    if phase == "Failed" then
      failed[#failed + 1] = statusItems[i].clusterName
    elseif phase == "Completed" then
      completed = completed + 1
    end
  end
  if #failed > 0 then
    status.state = {
      phase = "Failed",
      reason = "VolcanoJobFailed",
      message = "Job failed in clusters: " .. table.concat(failed, ", "),
    }
  elseif completed == #statusItems then
    status.state = {phase = "Completed", reason = "Completed", message = "Job completed"}
  end
  if status.state ~= nil then
    status.state.lastTransitionTime = os.date("!%Y-%m-%dT%H:%M:%SZ")
  end
  status.conditions = aggregated_conditions(statusItems)
  desiredObj.status = status
  return desiredObj
end

function InterpretHealth(observedObj)
  local state = observedObj.status ~= nil and observedObj.status.state or {}
  return state.phase ~= nil and state.phase ~= "" and state.phase ~= "Failed"
end
