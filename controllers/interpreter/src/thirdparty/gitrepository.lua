local CONFIG = {
  reflect = {"artifact", "conditions", "observedGeneration", "observedIgnore", "observedRecurseSubmodules"},
  last = {},
  last_or_nothing = {"artifact"},
  zero_without_items = {},
  reasons = {"Succeeded"},
  secrets = {"secretRef", "verify"},
}
