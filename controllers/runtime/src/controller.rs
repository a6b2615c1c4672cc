//! Workers: take keys from a queue, reconcile them, and turn the result into done, a delay or a backoff.

use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Class, Classify, chain};
use crate::metrics::ControllerMetrics;
use crate::queue::Queue;

/// What a controller is called and how many keys it works on at once.
#[derive(Clone, Copy, Debug)]
pub struct ControllerSpec {
    /// Karmada's name of the controller: metric label and log field.
    pub name: &'static str,
    /// Workers. Required: there is no unbounded controller.
    pub concurrency: usize,
}

/// What a successful reconcile asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing until the next change.
    Done,
    /// Another look after this long.
    RequeueAfter(Duration),
}

/// Runs the workers until `shutdown`; then waits for the reconciles that are under way.
///
/// A reconcile gets the key only, never what changed. An error is logged once, here, with its causes. A panic is a defect:
/// it is caught, counted as class [`Class::Bug`], and the key is retried with backoff.
pub async fn run<K, F, Fut, E>(spec: ControllerSpec, queue: Queue<K>, shutdown: CancellationToken, reconcile: F)
where
    K: Clone + Eq + Hash + Display + Send + Sync + 'static,
    F: Fn(K) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome, E>> + Send + 'static,
    E: std::error::Error + Classify + Send + Sync + 'static,
{
    let reconcile = Arc::new(reconcile);
    let metrics = ControllerMetrics::new(spec.name);
    let mut workers = JoinSet::new();
    for _ in 0..spec.concurrency.max(1) {
        let (queue, reconcile, metrics) = (queue.clone(), Arc::clone(&reconcile), metrics.clone());
        workers.spawn(async move {
            while let Some(key) = queue.next().await {
                metrics.active.inc();
                let timer = metrics.work_duration.start_timer();
                let result = AssertUnwindSafe(async { reconcile(key.clone()).await }).catch_unwind().await;
                drop(timer);
                metrics.active.dec();
                settle(spec.name, &queue, &metrics, key, result);
            }
        });
    }
    shutdown.cancelled().await;
    queue.close();
    while workers.join_next().await.is_some() {}
}

fn settle<K, E>(
    controller: &'static str,
    queue: &Queue<K>,
    metrics: &ControllerMetrics,
    key: K,
    result: Result<Result<Outcome, E>, Box<dyn std::any::Any + Send>>,
) where
    K: Clone + Eq + Hash + Display,
    E: std::error::Error + Classify + 'static,
{
    match result {
        Ok(Ok(Outcome::Done)) => {
            metrics.finished("success");
            queue.forget(&key);
        }
        Ok(Ok(Outcome::RequeueAfter(delay))) => {
            metrics.finished("requeue_after");
            queue.forget(&key);
            queue.add_after(key.clone(), delay);
        }
        Ok(Err(error)) => {
            metrics.failed(error.category());
            match error.class() {
                Class::BadInput => {
                    metrics.finished("error");
                    tracing::warn!(controller, %key, error = chain(&error), "reconcile refused; waiting for a change");
                    queue.forget(&key);
                }
                Class::Waiting(delay) => {
                    metrics.finished("requeue_after");
                    tracing::debug!(controller, %key, reason = chain(&error), ?delay, "reconcile waits");
                    queue.forget(&key);
                    queue.add_after(key.clone(), delay);
                }
                Class::Transient => {
                    metrics.finished("error");
                    let delay = queue.add_rate_limited(key.clone());
                    // The first failures are mostly lost races; they are not worth a line each.
                    if queue.failures(&key) > 3 {
                        tracing::warn!(controller, %key, error = chain(&error), ?delay, "reconcile failed; retrying");
                    } else {
                        tracing::debug!(controller, %key, error = chain(&error), ?delay, "reconcile failed; retrying");
                    }
                }
                Class::Bug => {
                    metrics.finished("error");
                    let delay = queue.add_rate_limited(key.clone());
                    tracing::error!(controller, %key, error = chain(&error), ?delay, "reconcile hit a defect; retrying");
                }
            }
        }
        Err(panic) => {
            metrics.finished("error");
            metrics.failed("panic");
            let delay = queue.add_rate_limited(key.clone());
            tracing::error!(controller, %key, panic = panic_text(&*panic), ?delay, "reconcile panicked; retrying");
        }
    }
    queue.done(&key);
}

/// The text of a caught panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::queue::Backoff;

    #[derive(Debug, thiserror::Error)]
    #[error("no luck")]
    struct Unlucky;
    impl Classify for Unlucky {
        fn category(&self) -> &'static str {
            "unlucky"
        }
        fn class(&self) -> Class {
            Class::Transient
        }
    }

    #[tokio::test(start_paused = true)]
    async fn errors_and_panics_are_retried_until_they_pass() {
        let queue: Queue<String> = Queue::new("retry", Backoff::default());
        let tries = Arc::new(AtomicUsize::new(0));
        let shutdown = CancellationToken::new();
        let (seen, done) = (Arc::clone(&tries), shutdown.clone());
        queue.add("key".to_owned());
        run(ControllerSpec { name: "retry", concurrency: 2 }, queue.clone(), shutdown, move |_key| {
            let (seen, done) = (Arc::clone(&seen), done.clone());
            async move {
                match seen.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(Unlucky),
                    1 => panic!("a defect"),
                    _ => {
                        done.cancel();
                        Ok(Outcome::Done)
                    }
                }
            }
        })
        .await;
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        assert_eq!(queue.failures(&"key".to_owned()), 0, "success forgets the failures");
    }
}
