-- Flink: a job manager and task managers.

local FIELDS = {"clusterInfo", "error", "jobManagerDeploymentStatus", "jobStatus", "lifecycleState",
  "observedGeneration", "reconciliationStatus", "taskManager"}

-- A number as a quantity says it.
local function text_of(number)
  if number == math.floor(number) then
    return string.format("%d", number)
  end
  return string.format("%.14g", number)
end

local function amount(quantity)
  return kube.getResourceQuantity(tostring(quantity))
end

local function job_manager_replicas(spec)
  return (spec.jobManager or {}).replicas or 1
end

-- As many as wanted, or as many as the job's parallelism takes.
local function task_manager_replicas(spec)
  local replicas = (spec.taskManager or {}).replicas
  if replicas ~= nil then
    return replicas
  end
  local slots = tonumber((spec.flinkConfiguration or {})["taskmanager.numberOfTaskSlots"])
  local parallelism = (spec.job or {}).parallelism
  if slots == nil or slots <= 0 or parallelism == nil then
    return 1
  end
  return math.ceil(parallelism / slots)
end

-- Where the pods may run, by the pod template that all of them share.
local function place(requirements, spec)
  local pod = (spec.podTemplate or {}).spec
  if pod == nil then
    return requirements
  end
  local placed = kube.accuratePodRequirements({
    spec = {nodeSelector = pod.nodeSelector, tolerations = pod.tolerations, affinity = pod.affinity},
  })
  if placed ~= nil then
    requirements.nodeClaim = placed.nodeClaim
  end
  requirements.priorityClassName = pod.priorityClassName
  return requirements
end

local function component(spec, name, replicas, manager)
  local resource = (manager or {}).resource or {}
  local requests
  for _, kind in ipairs({"cpu", "memory"}) do
    if resource[kind] ~= nil then
      requests = requests or {}
      requests[kind] = text_of(amount(resource[kind]))
    end
  end
  return {name = name, replicas = replicas, replicaRequirements = place({resourceRequest = requests}, spec)}
end

function GetComponents(obj)
  local spec = obj.spec or {}
  return {
    component(spec, "jobmanager", job_manager_replicas(spec), spec.jobManager),
    component(spec, "taskmanager", task_manager_replicas(spec), spec.taskManager),
  }
end

-- All replicas count as the most demanding one.
function GetReplicas(obj)
  local spec = obj.spec
  local requests
  for _, kind in ipairs({"cpu", "memory"}) do
    local most
    for _, manager in ipairs({spec.jobManager or {}, spec.taskManager or {}}) do
      local wanted = (manager.resource or {})[kind]
      if wanted ~= nil and (amount(wanted) >= amount(most or 0)) then
        most = wanted
      end
    end
    if most ~= nil then
      requests = requests or {}
      requests[kind] = type(most) == "number" and text_of(most) or most
    end
  end
  local requirements = {resourceRequest = requests, namespace = obj.metadata.namespace}
  return job_manager_replicas(spec) + task_manager_replicas(spec), place(requirements, spec)
end

function ReflectStatus(observedObj)
  return reflect_fields(observedObj, FIELDS)
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  desiredObj.status = {error = "", jobManagerDeploymentStatus = "", lifecycleState = "", observedGeneration = 0}
  for i = 1, #statusItems do
    for _, field in ipairs(FIELDS) do
      local value = (statusItems[i].status or {})[field]
      if value ~= nil then
        desiredObj.status[field] = value
      end
    end
  end
  return desiredObj
end

local STARTING = {CREATED = true, INITIALIZING = true, RECONCILING = true}

-- A job that starts is not healthy yet; one that cannot start as its pods fail is not for another cluster to mend.
function InterpretHealth(observedObj)
  local status = observedObj.status
  if status == nil or status.jobStatus == nil then
    return false
  end
  if not STARTING[status.jobStatus.state or ""] then
    return true
  end
  for _, reason in ipairs({"ErrImagePull", "BackOff"}) do
    if string.find(status.error or "", reason, 1, true) ~= nil then
      return true
    end
  end
  return false
end
