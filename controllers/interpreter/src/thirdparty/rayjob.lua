local CONFIG = {cluster = "rayClusterSpec"}

-- How much a member's job matters for the whole: a failure most, then what still runs.
local RANK = {Failed = 3, Running = 2, Complete = 0}

function CONFIG.aggregate(desired, items)
  local chosen, rank = {}, -1
  for i = 1, #items do
    local status = items[i].status
    if status ~= nil and status.jobDeploymentStatus ~= nil then
      local own = RANK[status.jobDeploymentStatus] or 1
      if own > rank then
        chosen, rank = status, own
      end
    end
  end
  for _, field in ipairs({"jobDeploymentStatus", "jobStatus", "reason", "message"}) do
    desired.status[field] = chosen[field]
  end
end

function InterpretHealth(observedObj)
  local status = observedObj.status
  if status == nil or status.jobStatus == "FAILED" then
    return false
  end
  return status.jobDeploymentStatus == "Running" or status.jobDeploymentStatus == "Complete"
end
