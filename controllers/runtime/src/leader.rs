//! Leader election with a Lease, as client-go does it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, chain};
use crate::mapper::Resource;
use crate::patcher::Patcher;

/// How a component takes part in an election; the defaults are Karmada's flags.
#[derive(Clone, Debug, clap::Args)]
pub struct LeaderElectionArgs {
    /// Start a leader election client and gain leadership before executing the main loop.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub leader_elect: bool,
    /// The namespace of the lease.
    #[arg(long, default_value = "karmada-system")]
    pub leader_elect_resource_namespace: String,
    /// How long non-leaders wait before they try to take an unrenewed lease.
    #[arg(long, default_value = "15s", value_parser = crate::shell::parse_duration)]
    pub leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, default_value = "10s", value_parser = crate::shell::parse_duration)]
    pub leader_elect_renew_deadline: Duration,
    /// How long to wait between tries.
    #[arg(long, default_value = "2s", value_parser = crate::shell::parse_duration)]
    pub leader_elect_retry_period: Duration,
}

/// One candidate for a lease.
pub struct Candidate {
    patcher: Patcher,
    args: LeaderElectionArgs,
    lease: String,
    identity: String,
    /// The last seen holder record and when we first saw it: expiry is judged by our own clock, never by comparing the
    /// writer's.
    observed: Option<(Value, Instant)>,
}

impl Candidate {
    /// A candidate for the lease of this name.
    pub fn new(client: kube::Client, args: LeaderElectionArgs, lease: &str) -> Self {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "karmada".to_owned());
        let identity = format!("{host}_{:016x}", rand::random::<u64>());
        Self {
            patcher: Patcher::new(client, "leader-election"),
            args,
            lease: lease.to_owned(),
            identity,
            observed: None,
        }
    }

    /// Waits for leadership, then runs `lead` with a token that is cancelled when leadership is lost or `shutdown` comes.
    /// Gives the lease back at the end, so that the next one need not wait. Returns false if leadership was lost.
    pub async fn run<F, Fut>(mut self, shutdown: CancellationToken, lead: F) -> bool
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()>,
    {
        loop {
            match self.try_acquire(false).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::debug!(lease = self.lease, error = chain(&error), "try for the lease"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return true,
                () = tokio::time::sleep(self.args.leader_elect_retry_period) => {}
            }
        }
        tracing::info!(lease = self.lease, identity = self.identity, "became leader");
        let term = shutdown.child_token();
        let work = lead(term.clone());
        tokio::pin!(work);
        let mut renewed = Instant::now();
        let kept = loop {
            tokio::select! {
                () = &mut work => break true,
                () = tokio::time::sleep(self.args.leader_elect_retry_period) => {}
            }
            match self.try_acquire(false).await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => break false,
                Err(error) => {
                    tracing::warn!(lease = self.lease, error = chain(&error), "renew the lease");
                    if renewed.elapsed() > self.args.leader_elect_renew_deadline {
                        break false;
                    }
                }
            }
        };
        if kept {
            // A failed release only means that the next leader waits for the expiry.
            let _released = self.try_acquire(true).await;
        } else {
            tracing::error!(lease = self.lease, "lost leadership");
            term.cancel();
            work.await;
        }
        kept
    }

    async fn try_acquire(&mut self, release: bool) -> Result<bool, Error> {
        let resource = lease_resource();
        let namespace = self.args.leader_elect_resource_namespace.clone();
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let seconds = if release { 1 } else { self.args.leader_elect_lease_duration.as_secs().max(1) };
        let holder = if release { "" } else { self.identity.as_str() };
        let Some(mut lease) = self.patcher.get(&resource, &namespace, &self.lease).await? else {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.lease, "namespace": namespace},
                "spec": {
                    "holderIdentity": holder,
                    "leaseDurationSeconds": seconds,
                    "acquireTime": now,
                    "renewTime": now,
                    "leaseTransitions": 0,
                },
            });
            return match self.patcher.create(&resource, &namespace, &lease).await {
                Ok(_) => Ok(true),
                Err(error) if error.is_already_exists() => Ok(false),
                Err(error) => Err(error),
            };
        };
        let spec = lease.get("spec").cloned().unwrap_or_default();
        if self.observed.as_ref().is_none_or(|(seen, _)| *seen != spec) {
            self.observed = Some((spec.clone(), Instant::now()));
        }
        let current = spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default();
        let ours = current == self.identity;
        let lasts = Duration::from_secs(spec.get("leaseDurationSeconds").and_then(Value::as_u64).unwrap_or_default());
        let expired = self.observed.as_ref().is_some_and(|(_, since)| since.elapsed() > lasts);
        if !ours && !current.is_empty() && !expired {
            return Ok(false);
        }
        let transitions = spec.get("leaseTransitions").and_then(Value::as_i64).unwrap_or_default();
        let acquired = spec.get("acquireTime").filter(|_| ours).cloned().unwrap_or_else(|| now.clone().into());
        lease["spec"] = json!({
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": acquired,
            "renewTime": now,
            "leaseTransitions": if ours { transitions } else { transitions + 1 },
        });
        match self.patcher.update(&resource, &namespace, &self.lease, "", &lease).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn lease_resource() -> Resource {
    Resource {
        group: "coordination.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
    }
}
