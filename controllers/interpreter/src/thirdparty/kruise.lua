-- OpenKruise: replicated workloads. Each kind sets CONFIG before this file.

function GetReplicas(obj)
  return obj.spec.replicas, kube.accuratePodRequirements(obj.spec.template)
end

function ReviseReplica(obj, desiredReplica)
  obj.spec.replicas = desiredReplica
  return obj
end

function GetDependencies(desiredObj)
  return kube.getPodDependencies(desiredObj.spec.template, desiredObj.metadata.namespace) or {}
end

function ReflectStatus(observedObj)
  return reflect(observedObj, CONFIG.reflect)
end

function AggregateStatus(desiredObj, statusItems)
  if desiredObj.status == nil then
    desiredObj.status = {}
  end
  sum(desiredObj, statusItems, CONFIG.sums)
  if statusItems ~= nil or CONFIG.clears_without_items then
    for field, initial in pairs(CONFIG.last) do
      last(desiredObj, statusItems, field, initial)
    end
    if CONFIG.conditions then
      last(desiredObj, statusItems, "conditions", nil)
    end
  end
  observe(desiredObj, statusItems)
  return desiredObj
end

function InterpretHealth(observedObj)
  local status = observedObj.status
  if status.observedGeneration ~= observedObj.metadata.generation then
    return false
  end
  if CONFIG.daemon then
    return not (status.updatedNumberScheduled < status.desiredNumberScheduled)
      and not (status.numberAvailable < status.updatedNumberScheduled)
  end
  if observedObj.spec.replicas ~= nil and status.updatedReplicas < observedObj.spec.replicas then
    return false
  end
  return not (status.availableReplicas < status.updatedReplicas)
end
