local CONFIG = {
  reflect = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "conditions",
    "observedGeneration"},
  sums = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"},
  last = {},
  conditions = true,
}
