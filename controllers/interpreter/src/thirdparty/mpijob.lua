-- Kubeflow MPIJob: roles of any name.

function GetComponents(obj)
  local components = {}
  for role, spec in pairs((obj.spec or {}).mpiReplicaSpecs or {}) do
    if spec.template ~= nil then
      components[#components + 1] = {
        name = role,
        replicas = tonumber(spec.replicas) or 1,
        replicaRequirements = requirements_of(spec.template),
      }
    end
  end
  table.sort(components, function(a, b) return a.name < b.name end)
  return components
end

function ReflectStatus(observedObj)
  return reflect_fields(observedObj,
    {"startTime", "completionTime", "lastReconcileTime", "replicaStatuses", "conditions"})
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  if #statusItems == 1 then
    desiredObj.status = statusItems[1].status
    return desiredObj
  end
  local roles, conditions, known = {}, {}, {}
  for i = 1, #statusItems do
    local status = statusItems[i].status
    for role, counters in pairs(status ~= nil and status.replicaStatuses or {}) do
      roles[role] = roles[role] or {active = 0, succeeded = 0, failed = 0}
      for counter, count in pairs(roles[role]) do
        roles[role][counter] = count + (counters[counter] or 0)
      end
    end
  end
  -- Of every type, what the first member says.
  for _, condition in ipairs(all_conditions(statusItems)) do
    if not known[condition.type] then
      known[condition.type] = true
      conditions[#conditions + 1] = condition
    end
  end
  desiredObj.status = {
    startTime = earliest(statusItems, "startTime"),
    completionTime = latest(statusItems, "completionTime"),
    lastReconcileTime = latest(statusItems, "lastReconcileTime"),
    replicaStatuses = roles,
    conditions = conditions,
  }
  return desiredObj
end

function InterpretHealth(observedObj)
  return observedObj.status ~= nil and observedObj.status.conditions ~= nil
    and not has_condition(observedObj, "Failed")
end
