local CONFIG = {
  reflect = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "updatedReadyReplicas",
    "currentReplicas", "updateRevision", "currentRevision", "observedGeneration"},
  sums = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "updatedReadyReplicas",
    "currentReplicas"},
  last = {updateRevision = "", currentRevision = ""},
  clears_without_items = true,
}
