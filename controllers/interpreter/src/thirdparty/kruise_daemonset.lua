local CONFIG = {
  reflect = {"currentNumberScheduled", "desiredNumberScheduled", "numberAvailable", "numberMisscheduled", "numberReady",
    "updatedNumberScheduled", "numberUnavailable", "daemonSetHash", "observedGeneration"},
  sums = {"currentNumberScheduled", "desiredNumberScheduled", "numberAvailable", "numberMisscheduled", "numberReady",
    "updatedNumberScheduled", "numberUnavailable"},
  last = {daemonSetHash = 0},
  clears_without_items = true,
  daemon = true,
}
