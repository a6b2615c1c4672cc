local CONFIG = {
  reflect = {"artifact", "conditions", "observedChartName", "observedSourceArtifactRevision", "url"},
  last = {url = "", observedChartName = "", observedSourceArtifactRevision = ""},
  last_or_nothing = {"artifact"},
  zero_without_items = {},
  reasons = {"ChartPullSucceeded", "Succeeded"},
  secrets = {"verify"},
}
