-- Flux: sources, charts, releases. Each kind sets CONFIG before this file.

function ReflectStatus(observedObj)
  return reflect(observedObj, CONFIG.reflect)
end

function AggregateStatus(desiredObj, statusItems)
  if desiredObj.status == nil then
    desiredObj.status = {}
  end
  for field, initial in pairs(CONFIG.last) do
    if statusItems ~= nil and CONFIG.absent_until_reported then
      initial = nil
    end
    last(desiredObj, statusItems, field, initial)
  end
  for _, field in ipairs(CONFIG.last_or_nothing) do
    last(desiredObj, statusItems, field, nil)
  end
  if statusItems == nil then
    for _, field in ipairs(CONFIG.zero_without_items) do
      desiredObj.status[field] = 0
    end
  end
  merge_conditions(desiredObj, statusItems)
  observe(desiredObj, statusItems)
  return desiredObj
end

function InterpretHealth(observedObj)
  return has_condition(observedObj, "Ready", CONFIG.reasons)
end

function Retain(desiredObj, observedObj)
  return retain_suspend(desiredObj, observedObj)
end

function GetDependencies(desiredObj)
  local add, sorted = references(desiredObj.metadata.namespace)
  local spec = desiredObj.spec
  for _, field in ipairs(CONFIG.secrets) do
    if field == "chart" then
      local chart = spec.chart and spec.chart.spec
      add("Secret", chart and chart.verify and name_of(chart.verify.secretRef))
    elseif field == "verify" or field == "kubeConfig" or field == "decryption" then
      add("Secret", spec[field] and name_of(spec[field].secretRef))
    else
      add("Secret", name_of(spec[field]))
    end
  end
  if CONFIG.values and spec.valuesFrom ~= nil then
    for i = 1, #spec.valuesFrom do
      local source = spec.valuesFrom[i]
      if source.kind == "Secret" or source.kind == "ConfigMap" then
        add(source.kind, source.name)
      end
    end
  end
  if CONFIG.account then
    add("ServiceAccount", spec.serviceAccountName)
  end
  return sorted()
end
