-- Kubeflow's training jobs: replicas in roles. Each kind sets CONFIG before this file.

local function roles_of(obj)
  return (obj.spec or {})[CONFIG.replicas] or {}
end

function GetComponents(obj)
  local components = {}
  local specs = roles_of(obj)
  for _, role in ipairs(CONFIG.roles) do
    local spec = specs[role]
    if spec ~= nil then
      components[#components + 1] = {
        name = string.lower(role),
        replicas = tonumber(spec.replicas) or 1,
        replicaRequirements = requirements_of(spec.template),
      }
    end
  end
  return components
end

function GetDependencies(desiredObj)
  local templates = {}
  local specs = roles_of(desiredObj)
  for _, role in ipairs(CONFIG.roles) do
    if specs[role] ~= nil then
      templates[#templates + 1] = specs[role].template
    end
  end
  return template_dependencies(templates, desiredObj.metadata.namespace)
end

-- The members' replicas of every role, without counters that are zero.
local function replica_statuses(items)
  local roles = {}
  for i = 1, #items do
    local status = items[i].status
    for role, counters in pairs(status ~= nil and status.replicaStatuses or {}) do
      roles[role] = roles[role] or {}
      for _, counter in ipairs({"active", "succeeded", "failed"}) do
        local count = (roles[role][counter] or 0) + (counters[counter] or 0)
        if count ~= 0 then
          roles[role][counter] = count
        end
      end
    end
  end
  return roles
end

-- The members whose job has this condition.
local function members_with(items, kind)
  local members = {}
  for i = 1, #items do
    if has_condition(items[i], kind) then
      members[#members + 1] = items[i].clusterName
    end
  end
  return members
end

function AggregateStatus(desiredObj, statusItems)
  if desiredObj.status == nil then
    desiredObj.status = {}
  end
  local status = desiredObj.status
  local items = statusItems or {}
  status.startTime = earliest(items, "startTime")
  if statusItems ~= nil then
    status.lastReconcileTime = latest(items, "lastReconcileTime")
  end
  status.replicaStatuses = replica_statuses(items)
  local failed, succeeded = members_with(items, "Failed"), members_with(items, "Succeeded")
  local completed = #items > 0 and #succeeded == #items
  if completed then
    status.completionTime = latest(items, "completionTime")
  end
  status.conditions = CONFIG.conditions(items, failed, completed)
  return desiredObj
end

function InterpretHealth(observedObj)
  return observedObj.status ~= nil and observedObj.status.conditions ~= nil
    and not has_condition(observedObj, "Failed")
end
