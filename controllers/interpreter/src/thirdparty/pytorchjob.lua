local CONFIG = {replicas = "pytorchReplicaSpecs", roles = {"Master", "Worker"}}

-- When the first member's condition of this type changed, and whether it holds anywhere.
local function summary(items, kind)
  local time, holds
  for _, condition in ipairs(all_conditions(items)) do
    if condition.type == kind then
      holds = holds or condition.status == "True"
      if time == nil or condition.lastTransitionTime < time then
        time = condition.lastTransitionTime
      end
    end
  end
  return time, holds
end

local function condition(kind, holds, message, time)
  return {
    type = kind,
    status = holds and "True" or "False",
    reason = "PyTorchJob" .. kind,
    message = message,
    lastTransitionTime = time,
    lastUpdateTime = time,
  }
end

function CONFIG.conditions(items, failed, completed)
  local conditions = {}
  local created = summary(items, "Created")
  if created ~= nil then
    conditions[#conditions + 1] = condition("Created", true, "PyTorchJob is created.",
      earliest(items, "startTime") or created)
  end
  local running, runs = summary(items, "Running")
  if running ~= nil then
    runs = runs and #failed == 0 and not completed
    conditions[#conditions + 1] = condition("Running", runs, "PyTorchJob is running.", running)
  end
  local done = latest(items, "completionTime")
  if #failed > 0 then
    local message = "PyTorchJob executed failed in member clusters: " .. table.concat(failed, ", ")
    conditions[#conditions + 1] = condition("Failed", true, message, done)
  elseif completed then
    conditions[#conditions + 1] = condition("Succeeded", true, "PyTorchJob is successfully completed.", done)
  end
  return conditions
end
