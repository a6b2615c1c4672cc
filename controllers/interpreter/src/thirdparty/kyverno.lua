-- Kyverno policies, namespaced or not.

function ReflectStatus(observedObj)
  return reflect_fields(observedObj, {"ready", "autogen", "rulecount", "conditions"})
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  desiredObj.status = {}
  local rules = {validate = 0, generate = 0, mutate = 0, verifyimages = 0}
  for i = 1, #statusItems do
    local status = statusItems[i].status
    if status ~= nil then
      for rule, count in pairs(rules) do
        rules[rule] = count + ((status.rulecount or {})[rule] or 0)
      end
      if status.ready ~= nil then
        desiredObj.status.ready = status.ready
      end
      if status.autogen ~= nil and next(status.autogen) ~= nil then
        desiredObj.status.autogen = status.autogen
      end
    end
  end
  desiredObj.status.rulecount = rules
  merge_conditions(desiredObj, statusItems)
  return desiredObj
end

function InterpretHealth(observedObj)
  local status = observedObj.status
  if status ~= nil and status.ready ~= nil then
    return status.ready
  end
  return has_condition(observedObj, "Ready", {"Succeeded"})
end
