local CONFIG = {}

-- A field as the first member that has one says.
local function first(desired, items, field)
  desired.status[field] = nil
  for i = 1, #items do
    local status = items[i].status
    if status ~= nil and status[field] ~= nil then
      desired.status[field] = status[field]
      return
    end
  end
end

function CONFIG.aggregate(desired, items)
  sum(desired, items, {"availableWorkerReplicas", "readyWorkerReplicas", "desiredWorkerReplicas", "minWorkerReplicas",
    "maxWorkerReplicas"})
  for _, resource in ipairs({"desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU"}) do
    local total = "0"
    for i = 1, #items do
      local status = items[i].status
      if status ~= nil and status[resource] ~= nil and status[resource] ~= "" then
        total = kube.resourceAdd(total, status[resource])
      end
    end
    desired.status[resource] = total
  end
  for _, field in ipairs({"state", "stateTransitionTimes", "endpoints", "head"}) do
    first(desired, items, field)
  end
  desired.status.lastUpdateTime = latest(items, "lastUpdateTime")
  desired.status.conditions = all_conditions(items)
end

function InterpretHealth(observedObj)
  return has_condition(observedObj, "HeadPodReady") and has_condition(observedObj, "RayClusterProvisioned")
    and not has_condition(observedObj, "RayClusterReplicaFailure")
end
