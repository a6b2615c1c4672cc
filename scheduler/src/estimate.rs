//! The seam to accurate estimators.
//!
//! The core takes their answers as an input. Asking is the driver's: once per binding, about all clusters that may be
//! chosen, for all bindings of a batch at the same time.

use std::{fmt::Debug, sync::Arc};

use futures::future::{BoxFuture, join_all};
use karmada_scheduler_core::{BindingInput, Estimates, Options, Snapshot, clusters_to_ask, model::Binding};

/// Somebody who knows the clusters' room better than their status says.
pub trait ReplicaEstimator: Debug + Send + Sync {
    /// How many replicas (or sets of components) of a binding each cluster has room for.
    ///
    /// It answers in bounded time. A cluster about which nothing could be learnt is left out: it costs itself the
    /// better number and nobody else anything.
    fn estimate<'a>(&'a self, binding: &'a Binding, clusters: &'a [String]) -> BoxFuture<'a, Estimates>;
}

/// Asks about all inputs of a batch.
pub(crate) async fn ask(
    estimator: &dyn ReplicaEstimator,
    snapshot: &Snapshot,
    inputs: &mut [BindingInput],
    options: &Options,
) {
    let questions = inputs.iter_mut().map(|input| async move {
        let clusters = clusters_to_ask(snapshot, input, options);
        if !clusters.is_empty() {
            let answers = estimator.estimate(&input.binding, &clusters).await;
            input.estimates = Some(Arc::new(answers));
        }
    });
    join_all(questions).await;
}
