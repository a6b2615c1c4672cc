//! Waiting for something to become true.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait at most, and how often to look.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The longest wait.
    pub limit: Duration,
    /// Between two looks.
    pub period: Duration,
}

impl Default for Deadline {
    /// Generous: on a loaded machine a debug build is slow, and a test that passes never waits for it.
    fn default() -> Self {
        Self { limit: Duration::from_secs(30), period: Duration::from_millis(15) }
    }
}

impl Deadline {
    /// Another limit.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// Looks until `check` succeeds and returns what it found, or its last error after the deadline.
pub async fn eventually<T>(deadline: Deadline, mut check: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let end = Instant::now() + deadline.limit;
    loop {
        // A single look that hangs must not hang the test.
        let looked = tokio::time::timeout(deadline.limit, check()).await;
        match looked {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) if Instant::now() >= end => return Err(error),
            Err(_) => anyhow::bail!("a look took longer than {:?}", deadline.limit),
            Ok(Err(_)) => tokio::time::sleep(deadline.period).await,
        }
    }
}
