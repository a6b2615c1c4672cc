-- OpenKruise BroadcastJob: a pod on every node, run to completion.

function GetReplicas(obj)
  return obj.spec.parallelism or 1, kube.accuratePodRequirements(obj.spec.template)
end

function ReviseReplica(obj, desiredReplica)
  obj.spec.parallelism = desiredReplica
  return obj
end

-- The member's controller labels the pods it makes.
function Retain(desiredObj, observedObj)
  local template = observedObj.spec.template
  if template ~= nil and template.metadata ~= nil and template.metadata.labels ~= nil then
    desiredObj.spec.template.metadata.labels = template.metadata.labels
  end
  return desiredObj
end

function GetDependencies(desiredObj)
  return kube.getPodDependencies(desiredObj.spec.template, desiredObj.metadata.namespace) or {}
end

function ReflectStatus(observedObj)
  return reflect_fields(observedObj,
    {"active", "succeeded", "failed", "desired", "phase", "startTime", "completionTime", "conditions"})
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  if desiredObj.status == nil then
    desiredObj.status = {}
  end
  sum(desiredObj, statusItems, {"active", "succeeded", "failed", "desired"})
  last(desiredObj, statusItems, "phase", "")

  -- A member that does not say how its job ended counts as the one before it.
  local complete, failed = 0, {}
  local ended
  for i = 1, #statusItems do
    local status = statusItems[i].status
    if status ~= nil then
      for _, condition in ipairs(status.conditions or {}) do
        if condition.status == "True" and (condition.type == "Complete" or condition.type == "Failed") then
          ended = condition.type
        end
      end
      if ended == "Complete" and status.conditions ~= nil then
        complete = complete + 1
      elseif ended == "Failed" then
        failed[#failed + 1] = statusItems[i].clusterName
      end
    end
  end
  desiredObj.status.conditions = {}
  if #failed > 0 then
    desiredObj.status.conditions = {{
      type = "Failed",
      status = "True",
      reason = "JobFailed",
      message = "Job executed failed in member clusters: " .. table.concat(failed, ", "),
    }}
  elseif #statusItems > 0 and complete == #statusItems then
    desiredObj.status.conditions = {{
      type = "Completed",
      status = "True",
      reason = "Completed",
      message = "Job completed",
    }}
  end
  return desiredObj
end

function InterpretHealth(observedObj)
  local status = observedObj.status
  if status == nil or status.desired == nil or status.desired == 0 or status.failed ~= 0 then
    return false
  end
  return status.succeeded == status.desired or (status.active ~= nil and status.active > 0)
end
