local CONFIG = {
  reflect = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "updatedReadyReplicas",
    "expectedUpdatedReplicas", "updateRevision", "currentRevision", "labelSelector", "observedGeneration"},
  sums = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "updatedReadyReplicas",
    "expectedUpdatedReplicas"},
  last = {updateRevision = "", currentRevision = "", labelSelector = ""},
}
