local CONFIG = {
  reflect = {"artifact", "conditions", "observedGeneration", "observedIgnore", "observedLayerSelector", "url"},
  last = {url = ""},
  last_or_nothing = {"artifact"},
  zero_without_items = {},
  reasons = {"Succeeded"},
  secrets = {"secretRef", "verify", "certSecretRef"},
  account = true,
}
