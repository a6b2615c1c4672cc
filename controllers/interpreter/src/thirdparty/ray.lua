-- Ray: clusters of a head and groups of workers, alone or made for a job or a service. Each kind sets CONFIG before
-- this file.

local function cluster_of(obj)
  if CONFIG.cluster == nil then
    return obj.spec or {}
  end
  return (obj.spec or {})[CONFIG.cluster] or {}
end

local function templates_of(obj)
  local cluster = cluster_of(obj)
  local templates = {}
  if cluster.headGroupSpec ~= nil then
    templates[#templates + 1] = cluster.headGroupSpec.template
  end
  for _, group in ipairs(cluster.workerGroupSpecs or {}) do
    templates[#templates + 1] = group.template
  end
  templates[#templates + 1] = (obj.spec or {}).submitterPodTemplate
  return templates
end

function GetComponents(obj)
  local cluster = cluster_of(obj)
  local components = {}
  if cluster.headGroupSpec ~= nil then
    components[1] = {
      name = "ray-head",
      replicas = 1,
      replicaRequirements = requirements_of(cluster.headGroupSpec.template),
    }
  end
  for i, group in ipairs(cluster.workerGroupSpecs or {}) do
    local name = group.groupName
    if name == nil or name == "" then
      name = "worker-" .. i
    end
    components[#components + 1] = {
      name = name,
      replicas = group.replicas or 0,
      replicaRequirements = requirements_of(group.template),
    }
  end
  return components
end

function GetReplicas(obj)
  local cluster = cluster_of(obj)
  if cluster.headGroupSpec == nil then
    return 0, nil
  end
  local replicas = 1
  for _, group in ipairs(cluster.workerGroupSpecs or {}) do
    replicas = replicas + (group.replicas or 0)
  end
  return replicas, requirements_of(cluster.headGroupSpec.template)
end

-- One replica is the head's. The groups share the others as they share them now; the last takes what is left.
function ReviseReplica(obj, desiredReplica)
  local groups = cluster_of(obj).workerGroupSpecs or {}
  local wanted = math.max(desiredReplica - 1, 0)
  local present = 0
  for _, group in ipairs(groups) do
    present = present + (group.replicas or 0)
  end
  local left = wanted
  for i, group in ipairs(groups) do
    local share
    if present == 0 then
      share = math.floor(wanted / #groups)
      if i <= wanted % #groups then
        share = share + 1
      end
    elseif i == #groups then
      share = left
    else
      share = math.min(math.floor(wanted * (group.replicas or 0) / present + 0.5), left)
    end
    group.replicas = share
    left = left - share
  end
  return obj
end

function GetDependencies(desiredObj)
  return template_dependencies(templates_of(desiredObj), desiredObj.metadata.namespace)
end

-- Only what tells the object and its status: nothing else of it is written.
function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  local aggregated = {
    apiVersion = desiredObj.apiVersion,
    kind = desiredObj.kind,
    metadata = desiredObj.metadata,
    status = desiredObj.status or {},
  }
  if #statusItems == 1 then
    aggregated.status = statusItems[1].status
  else
    CONFIG.aggregate(aggregated, statusItems)
  end
  return aggregated
end
