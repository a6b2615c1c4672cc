-- OpenKruise AdvancedCronJob: jobs, or broadcast jobs, by the clock.

function GetDependencies(desiredObj)
  local templates = desiredObj.spec.template
  local job = templates.jobTemplate or templates.broadcastJobTemplate
  if job == nil then
    return {}
  end
  return kube.getPodDependencies(job.spec.template, desiredObj.metadata.namespace) or {}
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  desiredObj.status = {}
  local active = {}
  for i = 1, #statusItems do
    local status = statusItems[i].status
    if status ~= nil then
      for _, job in ipairs(status.active or {}) do
        active[#active + 1] = job
      end
    end
  end
  desiredObj.status.active = active
  last(desiredObj, statusItems, "type", "")
  last(desiredObj, statusItems, "lastScheduleTime", nil)
  return desiredObj
end
