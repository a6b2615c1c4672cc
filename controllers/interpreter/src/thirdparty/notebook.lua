-- Kubeflow Notebook: one pod with a notebook server.

function GetReplicas(obj)
  return 1, kube.accuratePodRequirements(obj.spec.template)
end

function ReflectStatus(observedObj)
  if observedObj.status == nil then
    return {}
  end
  local status = reflect_fields(observedObj, {"readyReplicas", "containerState", "conditions"})
  status.readyReplicas = status.readyReplicas or 0
  return status
end

function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  if #statusItems == 1 then
    desiredObj.status = statusItems[1].status
    return desiredObj
  end
  desiredObj.status = {}
  sum(desiredObj, statusItems, {"readyReplicas"})
  local failed, running = {}, 0
  local state, bad_state
  for i = 1, #statusItems do
    local status = statusItems[i].status
    if status ~= nil then
      local container = status.containerState or {}
      if container.running ~= nil then
        running = running + 1
        state = container
      else
        failed[#failed + 1] = statusItems[i].clusterName
        if next(container) == nil then
          container = {waiting = {reason = "Unschedulable"}}
        end
        bad_state = container
      end
    end
  end
  local condition
  if #failed > 0 then
    state = bad_state
    condition = {
      type = "Failed",
      reason = "NotebookFailed",
      message = "Notebook executed failed in member clusters: " .. table.concat(failed, ", "),
    }
  elseif running > 0 then
    condition = {type = "Ready", reason = "Ready", message = "All notebooks are ready"}
  end
  if condition ~= nil then
    local now = os.date("!%Y-%m-%dT%H:%M:%SZ")
    condition.status = "True"
    condition.lastProbeTime = now
    condition.lastTransitionTime = now
    desiredObj.status.conditions = {condition}
  end
  desiredObj.status.containerState = state
  return desiredObj
end

function InterpretHealth(observedObj)
  local state = observedObj.status ~= nil and observedObj.status.containerState or {}
  if state.running ~= nil then
    return true
  end
  if state.waiting ~= nil then
    return state.waiting.reason == "ContainerCreating"
  end
  return state.terminated ~= nil and state.terminated.reason == "Completed"
end
