-- Argo Workflow: many pods, as parallel as it says.

function GetReplicas(obj)
  local pod, placed = {}, false
  for _, field in ipairs({"nodeSelector", "tolerations", "affinity"}) do
    local value = obj.spec[field]
    if value ~= nil and next(value) ~= nil then
      pod[field] = value
      placed = true
    end
  end
  local requirements
  if placed then
    requirements = kube.accuratePodRequirements({spec = pod})
  end
  return obj.spec.parallelism or 1, requirements
end

function ReviseReplica(obj, desiredReplica)
  obj.spec.parallelism = desiredReplica
  return obj
end

-- Running happens in the member: it is the one that suspends and that knows how far it is.
function Retain(desiredObj, observedObj)
  retain_suspend(desiredObj, observedObj)
  if observedObj.status ~= nil then
    desiredObj.status = observedObj.status
  end
  return desiredObj
end

function GetDependencies(desiredObj)
  local spec = desiredObj.spec
  local namespace = desiredObj.metadata.namespace
  local add, sorted = references(namespace)
  -- A volume's secret counts by the field `name`, as upstream reads it.
  local volumes = {}
  for _, volume in ipairs(spec.volumes or {}) do
    if volume.secret == nil then
      volumes[#volumes + 1] = volume
    else
      add("Secret", volume.secret.name)
    end
  end
  local pod = {spec = {imagePullSecrets = spec.imagePullSecrets, volumes = volumes}}
  for _, dependency in ipairs(kube.getPodDependencies(pod, namespace) or {}) do
    add(dependency.kind, dependency.name)
  end
  add("ServiceAccount", spec.serviceAccountName)
  if spec.executor ~= nil then
    add("ServiceAccount", spec.executor.serviceAccountName)
  end
  return sorted()
end

function InterpretHealth(observedObj)
  local phase = observedObj.status ~= nil and observedObj.status.phase or ""
  return phase ~= "" and phase ~= "Failed" and phase ~= "Error"
end
