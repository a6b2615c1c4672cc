local CONFIG = {replicas = "tfReplicaSpecs", roles = {"Chief", "Evaluator", "Master", "PS", "Worker"}}

function CONFIG.conditions(items, failed, completed)
  local condition
  if #failed > 0 then
    condition = {
      type = "Failed",
      reason = "TFJobFailed",
      message = "TFJob executed failed in member clusters: " .. table.concat(failed, ", "),
    }
  elseif completed then
    condition = {type = "Succeeded", reason = "Completed", message = "TFJob completed successfully"}
  else
    return {}
  end
  condition.status = "True"
  condition.lastProbeTime = os.date("!%Y-%m-%dT%H:%M:%SZ")
  condition.lastTransitionTime = condition.lastProbeTime
  return {condition}
end
