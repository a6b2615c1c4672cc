-- OpenKruise SidecarSet: containers that are put into other pods.

local FIELDS = {"matchedPods", "updatedPods", "readyPods"}

function GetReplicas(obj)
  return 0, nil
end

function Retain(desiredObj, observedObj)
  return desiredObj
end

-- A sidecar brings containers and volumes only; claims and accounts are the pod's own.
function GetDependencies(desiredObj)
  local spec = desiredObj.spec
  if spec == nil then
    return {}
  end
  local pod = {spec = {containers = spec.containers, initContainers = spec.initContainers, volumes = spec.volumes}}
  local found = {}
  for _, dependency in ipairs(kube.getPodDependencies(pod, desiredObj.metadata.namespace) or {}) do
    if dependency.kind == "ConfigMap" or dependency.kind == "Secret" then
      dependency.namespace = desiredObj.metadata.namespace
      found[#found + 1] = dependency
    end
  end
  return found
end

function ReflectStatus(observedObj)
  return reflect_fields(observedObj, FIELDS)
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    error("no status to aggregate")
  end
  local aggregated = {
    apiVersion = desiredObj.apiVersion,
    kind = desiredObj.kind,
    metadata = desiredObj.metadata,
    status = {},
  }
  sum(aggregated, statusItems, FIELDS)
  return aggregated
end

function InterpretHealth(observedObj)
  local status = observedObj.status
  if status == nil then
    return false
  end
  local matched = status.matchedPods or 0
  return matched == 0 or (status.updatedPods or 0) == matched
end
