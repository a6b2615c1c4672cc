//! A part of the plane that can be stopped and started again.

use std::future::Future;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Manager, scheduler or agent: running or not.
#[derive(Default)]
pub(crate) struct Component(Mutex<Option<(CancellationToken, JoinHandle<()>)>>);

impl Component {
    /// Runs `work` until it is stopped; `work` is given the token that ends it.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(CancellationToken) -> F) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(work(stop.clone()));
        let before = self.0.lock().replace((stop, task));
        assert!(before.is_none(), "it is running already");
    }

    /// Stops it and waits until it has ended. Nothing happens if it does not run.
    pub(crate) async fn stop(&self) {
        let running = self.0.lock().take();
        if let Some((stop, task)) = running {
            stop.cancel();
            tokio::time::timeout(std::time::Duration::from_secs(20), task)
                .await
                .expect("a component ends soon after it is told to")
                .expect("a component does not panic");
        }
    }
}
