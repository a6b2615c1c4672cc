//! The lease by which an agent shows that it lives.

use std::sync::Arc;

use jiff::Timestamp;
use karmada_api::names;
use karmada_runtime::error::chain;
use karmada_runtime::{Error, ObjectKey, Resource};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Renews the cluster's lease until `shutdown`.
pub(super) async fn renew(ctx: Arc<Context>, cluster: String, shutdown: CancellationToken) {
    let period = ctx.options.lease_duration.mul_f64(ctx.options.lease_renew_fraction.clamp(0.01, 1.0));
    loop {
        if let Err(error) = renew_once(&ctx, &cluster).await {
            tracing::warn!(cluster, error = chain(&error), "renew the cluster's lease");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
    }
}

async fn renew_once(ctx: &Context, cluster: &str) -> Result<(), Error> {
    let resource = Resource {
        group: "coordination.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
    };
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let spec = json!({
        "holderIdentity": cluster,
        "leaseDurationSeconds": ctx.options.lease_duration.as_secs(),
        "renewTime": now,
    });
    match ctx.control.get(&resource, names::CLUSTER_NAMESPACE, cluster).await? {
        Some(mut lease) => {
            lease["spec"] = spec;
            ctx.control.update(&resource, names::CLUSTER_NAMESPACE, cluster, "", &lease).await?;
        }
        None => {
            let owner = ctx.fleet.clusters().get(&ObjectKey::cluster_scoped(cluster)).and_then(|c| {
                Some(json!([{
                    "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
                    "name": cluster, "uid": c.metadata.uid.clone()?,
                }]))
            });
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": cluster, "namespace": names::CLUSTER_NAMESPACE, "ownerReferences": owner},
                "spec": spec,
            });
            match ctx.control.create(&resource, names::CLUSTER_NAMESPACE, &lease).await {
                Ok(_) => {}
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
