//! What is written to a store.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use karmada_storage::Store;

/// The keys that are written between `after` and the time when nothing has come for as long as `quiet`, with what happened
/// to each. Keys with one of the prefixes in `except` don't count, and don't disturb the quiet.
pub(crate) async fn follow(store: &Arc<dyn Store>, after: u64, quiet: Duration, except: &[&str]) -> Vec<String> {
    let mut events = store.watch("/registry/", after).await.unwrap();
    let mut seen = Vec::new();
    let end = tokio::time::Instant::now() + quiet;
    loop {
        let batch = match tokio::time::timeout_at(end, events.next()).await {
            Err(_) | Ok(None) => return seen,
            Ok(Some(batch)) => batch.unwrap(),
        };
        for event in batch.events {
            if !except.iter().any(|prefix| event.key.starts_with(prefix)) {
                let (before, after) =
                    (event.prev.map(|kv| kv.value).unwrap_or_default(), String::from_utf8_lossy(&event.value));
                seen.push(format!(
                    "{:?} {} at {}\n    before: {}\n    after:  {after}",
                    event.kind,
                    event.key,
                    event.revision,
                    String::from_utf8_lossy(&before)
                ));
            }
        }
    }
}
