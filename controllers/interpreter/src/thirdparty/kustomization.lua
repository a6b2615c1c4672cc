local CONFIG = {
  reflect = {"conditions", "lastAppliedRevision", "lastAttemptedRevision", "observedGeneration"},
  last = {lastAppliedRevision = "", lastAttemptedRevision = ""},
  last_or_nothing = {},
  zero_without_items = {},
  absent_until_reported = true,
  reasons = {"ReconciliationSucceeded"},
  secrets = {"decryption", "kubeConfig"},
  account = true,
}
