local CONFIG = {cluster = "rayClusterConfig"}

function CONFIG.aggregate(desired, items)
  local status = desired.status
  sum(desired, items, {"numServeEndpoints"})
  status.serviceStatus = "Running"
  status.observedGeneration = latest(items, "observedGeneration") or 0
  for i = 1, #items do
    local member = items[i].status
    if member ~= nil then
      if member.serviceStatus ~= nil and member.serviceStatus ~= "Running" then
        status.serviceStatus = member.serviceStatus
      end
      status.activeServiceStatus = member.activeServiceStatus or status.activeServiceStatus
      status.pendingServiceStatus = member.pendingServiceStatus or status.pendingServiceStatus
    end
  end
  status.lastUpdateTime = latest(items, "lastUpdateTime")
  status.conditions = all_conditions(items)
end

function InterpretHealth(observedObj)
  return has_condition(observedObj, "Ready")
end
