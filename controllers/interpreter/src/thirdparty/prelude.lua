-- What the scripts of the built-in third-party kinds have in common. It is put in front of each of them.
local kube = require("kube")

-- The generation of the template that an object was made from.
local function template_generation(obj)
  local annotations = obj.metadata.annotations
  if annotations == nil then
    return nil
  end
  return tonumber(annotations["resourcetemplate.karmada.io/generation"])
end

-- These fields of the status, and the generations that tell whether it is up to date.
local function reflect(obj, fields)
  local status = {}
  if obj == nil or obj.status == nil then
    return status
  end
  for _, field in ipairs(fields) do
    status[field] = obj.status[field]
  end
  status.generation = obj.metadata.generation
  status.resourceTemplateGeneration = template_generation(obj)
  return status
end

-- These fields of the status alone.
local function reflect_fields(obj, fields)
  local status = {}
  if obj == nil or obj.status == nil then
    return status
  end
  for _, field in ipairs(fields) do
    status[field] = obj.status[field]
  end
  return status
end

-- Sets the template's observed generation when every member has seen the template's generation and observed its own
-- object; with no items to wait for it is set as well.
local function observe(desired, items)
  if desired.metadata.generation == nil then
    desired.metadata.generation = 0
  end
  local generation = desired.metadata.generation
  local observed = desired.status.observedGeneration or 0
  if items == nil then
    desired.status.observedGeneration = generation
    return
  end
  local ready = 0
  for i = 1, #items do
    local status = items[i].status
    if status ~= nil and status.resourceTemplateGeneration == generation
      and status.generation ~= nil and status.generation == status.observedGeneration then
      ready = ready + 1
    end
  end
  if ready == #items then
    observed = generation
  end
  desired.status.observedGeneration = observed
end

-- Adds the members' counters.
local function sum(desired, items, fields)
  for _, field in ipairs(fields) do
    local total = 0
    for i = 1, #(items or {}) do
      local status = items[i].status
      if status ~= nil and status[field] ~= nil then
        total = total + status[field]
      end
    end
    desired.status[field] = total
  end
end

-- Takes a field from the last member that says something.
local function last(desired, items, field, initial)
  local value = initial
  for i = 1, #(items or {}) do
    local status = items[i].status
    if status ~= nil and status[field] ~= nil and status[field] ~= "" then
      value = status[field]
    end
  end
  desired.status[field] = value
end

-- One condition for every type, status and reason that any member reports; its message says who reports what.
local function merge_conditions(desired, items)
  local merged = {}
  local places = {}
  for i = 1, #(items or {}) do
    local status = items[i].status
    if status ~= nil and status.conditions ~= nil then
      for j = 1, #status.conditions do
        local condition = status.conditions[j]
        local message = items[i].clusterName .. "=" .. condition.message
        local key = condition.type .. "\n" .. condition.status .. "\n" .. condition.reason
        local place = places[key]
        if place == nil then
          condition.message = message
          merged[#merged + 1] = condition
          places[key] = #merged
        else
          merged[place].message = merged[place].message .. ", " .. message
        end
      end
    end
  end
  desired.status.conditions = merged
end

-- Whether a condition of this type is true, for one of these reasons.
local function has_condition(obj, kind, reasons)
  if obj == nil or obj.status == nil or obj.status.conditions == nil then
    return false
  end
  for i = 1, #obj.status.conditions do
    local condition = obj.status.conditions[i]
    if condition.type == kind and condition.status == "True" then
      if reasons == nil then
        return true
      end
      for _, reason in ipairs(reasons) do
        if condition.reason == reason then
          return true
        end
      end
    end
  end
  return false
end

-- Keeps the member's word on whether reconciling is suspended.
local function retain_suspend(desired, observed)
  if observed.spec.suspend ~= nil then
    desired.spec.suspend = observed.spec.suspend
  end
  return desired
end

-- A list of references under way: each object once, sorted by kind and name.
local function references(namespace)
  local seen, list = {}, {}
  local function add(kind, name)
    if name == nil or name == "" or seen[kind .. "/" .. name] then
      return
    end
    seen[kind .. "/" .. name] = true
    list[#list + 1] = {apiVersion = "v1", kind = kind, namespace = namespace, name = name}
  end
  local function sorted()
    table.sort(list, function(a, b)
      if a.kind ~= b.kind then
        return a.kind < b.kind
      end
      return a.name < b.name
    end)
    return list
  end
  return add, sorted
end

-- The name of a reference, if there is one.
local function name_of(reference)
  if reference == nil then
    return nil
  end
  return reference.name
end

-- The pod requirements of a template, if there is one.
local function requirements_of(template)
  if template == nil then
    return nil
  end
  return kube.accuratePodRequirements(template)
end

-- What the pods of these templates refer to: each object once, sorted.
local function template_dependencies(templates, namespace)
  local seen, list = {}, {}
  for _, template in ipairs(templates) do
    for _, dependency in ipairs(kube.getPodDependencies(template, namespace) or {}) do
      local key = dependency.kind .. "/" .. dependency.name
      if not seen[key] then
        seen[key] = true
        list[#list + 1] = dependency
      end
    end
  end
  table.sort(list, function(a, b)
    if a.kind ~= b.kind then
      return a.kind < b.kind
    end
    return a.name < b.name
  end)
  return list
end

-- The earliest or the latest of the members' times; texts of one format compare as times do.
local function earliest(items, field)
  local time
  for i = 1, #(items or {}) do
    local status = items[i].status
    if status ~= nil and status[field] ~= nil and (time == nil or status[field] < time) then
      time = status[field]
    end
  end
  return time
end

local function latest(items, field)
  local time
  for i = 1, #(items or {}) do
    local status = items[i].status
    if status ~= nil and status[field] ~= nil and (time == nil or status[field] > time) then
      time = status[field]
    end
  end
  return time
end

-- The members' conditions, one after another.
local function all_conditions(items)
  local conditions = {}
  for i = 1, #(items or {}) do
    local status = items[i].status
    if status ~= nil then
      for _, condition in ipairs(status.conditions or {}) do
        conditions[#conditions + 1] = condition
      end
    end
  end
  return conditions
end
