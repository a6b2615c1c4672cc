local CONFIG = {
  reflect = {"conditions", "failures", "helmChart", "installFailures", "lastAppliedRevision", "lastAttemptedRevision",
    "lastAttemptedValuesChecksum", "lastReleaseRevision", "observedGeneration", "upgradeFailures"},
  last = {helmChart = "", lastAppliedRevision = "", lastAttemptedRevision = "", lastAttemptedValuesChecksum = "",
    lastReleaseRevision = ""},
  last_or_nothing = {},
  zero_without_items = {"failures", "installFailures", "upgradeFailures"},
  absent_until_reported = true,
  reasons = {"ReconciliationSucceeded"},
  secrets = {"chart", "kubeConfig"},
  values = true,
  account = true,
}
