//! Writing of decisions: at most two requests each.
//!
//! The first one, a merge patch of annotation and clusters, is conditional on the version of the binding that was
//! decided about. If only something else has changed since (a status), it is repeated against the new version; if the
//! spec has changed, the decision is void and the binding is decided about again. The second one patches the status; if
//! it cannot be written now it is owed, and written with the next decision about the binding.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use karmada_runtime::{
    Error, ObjectKey, Patcher, Resource,
    error::chain,
    patcher::{CONFLICT_TRIES, PatchKind},
};
use karmada_scheduler_core::{
    Decision,
    decision::{Reason, Verdict},
    model::{Binding, Condition},
};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// What became of writing a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is written.
    Done,
    /// The spec is written, the status is not: it has to follow.
    StatusOwed,
    /// The binding has changed meanwhile: decide again.
    Overtaken,
    /// The binding is gone, or its namespace is going.
    Gone,
    /// A quota refused it; the condition says so.
    QuotaExceeded,
    /// It could not be written.
    Failed,
}

impl Written {
    /// The label in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "written",
            Self::StatusOwed => "status_owed",
            Self::Overtaken => "overtaken",
            Self::Gone => "gone",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Failed => "failed",
        }
    }
}

/// The writer of one decision.
pub(crate) struct Commit<'a> {
    pub(crate) patcher: &'a Patcher,
    pub(crate) resource: &'a Resource,
    pub(crate) key: &'a ObjectKey,
    pub(crate) binding: &'a Binding,
    pub(crate) decision: &'a Decision,
}

impl Commit<'_> {
    /// Writes, and hands every answer of the server to `seen`.
    pub(crate) async fn run(&self, mut seen: impl FnMut(&Value) + Send) -> Written {
        match self.write(&mut seen).await {
            Ok(written) => written,
            Err(error) => self.failed(&error, &mut seen).await,
        }
    }

    async fn write(&self, seen: &mut (impl FnMut(&Value) + Send)) -> Result<Written, Error> {
        let mut fresh: Option<Binding> = None;
        let mut answer = None;
        if !self.decision.spec.is_empty() {
            match self.write_spec().await? {
                Ok(object) => {
                    fresh = Some(self.read(&object)?);
                    answer = Some(object);
                }
                Err(written) => return Ok(written),
            }
        }
        let owes = fresh.is_some() || !self.decision.attempted();
        let written = if self.decision.status.is_empty() {
            Ok(Written::Done)
        } else {
            self.write_status(fresh, None, seen).await
        };
        // The status' answer says more than the spec's, so only one of them is handed on.
        if let Some(object) = answer
            && (self.decision.status.is_empty() || !matches!(written, Ok(Written::Done)))
        {
            seen(&object);
        }
        match written {
            Ok(Written::Overtaken) if owes => Ok(Written::StatusOwed),
            Err(error) if owes && !error.is_not_found() => {
                tracing::warn!(binding = %self.key, error = chain(&error), "write a status");
                Ok(Written::StatusOwed)
            }
            other => other,
        }
    }

    /// The binding as the server answered it.
    async fn write_spec(&self) -> Result<Result<Value, Written>, Error> {
        let change = &self.decision.spec;
        let mut version = self.binding.metadata.resource_version.clone();
        for _ in 0..CONFLICT_TRIES {
            let mut patch = json!({"metadata": {"resourceVersion": version}});
            if let Some(applied) = &change.applied_placement {
                patch["metadata"]["annotations"] = json!({ Binding::APPLIED_PLACEMENT: applied });
            }
            if let Some(clusters) = &change.clusters {
                // An empty list is an absent one.
                patch["spec"]["clusters"] = if clusters.is_empty() { Value::Null } else { json!(clusters) };
            }
            match self.patch("", &patch).await {
                Ok(object) => return Ok(Ok(object)),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
            match self.get().await? {
                None => return Ok(Err(Written::Gone)),
                Some(now) if self.is_other(&now) => return Ok(Err(Written::Overtaken)),
                Some(now) => version = now.metadata.resource_version,
            }
        }
        Ok(Err(Written::Overtaken))
    }

    /// Writes the status; `fresh` is the binding as the spec change left it, `verdict` overrules the decision's.
    async fn write_status(
        &self,
        fresh: Option<Binding>,
        verdict: Option<&Verdict>,
        seen: &mut (impl FnMut(&Value) + Send),
    ) -> Result<Written, Error> {
        let generation = fresh.as_ref().unwrap_or(self.binding).metadata.generation;
        let mut binding = fresh;
        for _ in 0..CONFLICT_TRIES {
            let patch = self.status_patch(binding.as_ref().unwrap_or(self.binding), generation, verdict);
            match self.patch("status", &patch).await {
                Ok(object) => {
                    seen(&object);
                    return Ok(Written::Done);
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
            match self.get().await? {
                None => return Ok(Written::Gone),
                Some(now) if now.metadata.uid != self.binding.metadata.uid => return Ok(Written::Gone),
                Some(now) => binding = Some(now),
            }
        }
        Ok(Written::Overtaken)
    }

    fn status_patch(&self, binding: &Binding, generation: i64, verdict: Option<&Verdict>) -> Value {
        let change = &self.decision.status;
        let now = Time(Timestamp::now());
        let mut status = Map::new();
        let succeeded = verdict.is_none();
        if let Some(verdict) = verdict.or(change.condition.as_ref()) {
            status.insert("conditions".to_owned(), json!(conditions(&binding.status.conditions, verdict, &now)));
        }
        if succeeded && change.observe_generation {
            status.insert("schedulerObservedGeneration".to_owned(), generation.into());
        }
        if succeeded && let Some(name) = &change.affinity_name {
            status.insert("schedulerObservingAffinityName".to_owned(), name.as_str().into());
        }
        if succeeded && change.stamp {
            status.insert("lastScheduledTime".to_owned(), json!(seconds(&now)));
        }
        // Conditions can only be written whole, so nobody else's may have changed since they were read.
        json!({"metadata": {"resourceVersion": binding.metadata.resource_version}, "status": status})
    }

    async fn failed(&self, error: &Error, seen: &mut (impl FnMut(&Value) + Send)) -> Written {
        if error.is_not_found() {
            return Written::Gone;
        }
        let status = error.status();
        if status.is_some_and(|status| status.code == 403 && status.reason == "QuotaExceeded") {
            let message = status.map(|status| status.message.clone()).unwrap_or_default();
            let verdict = Verdict { reason: Reason::QuotaExceeded, message };
            if let Err(error) = self.write_status(None, Some(&verdict), seen).await {
                tracing::warn!(binding = %self.key, error = chain(&error), "report an exceeded quota");
            }
            return Written::QuotaExceeded;
        }
        let terminating = status
            .and_then(|status| status.details.as_ref())
            .is_some_and(|details| details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating"));
        if terminating {
            return Written::Gone;
        }
        tracing::warn!(binding = %self.key, error = chain(error), "write a decision");
        Written::Failed
    }

    async fn patch(&self, subresource: &str, patch: &Value) -> Result<Value, Error> {
        let (namespace, name) = (&self.key.namespace, &self.key.name);
        self.patcher.patch(self.resource, namespace, name, subresource, PatchKind::Merge, patch).await
    }

    async fn get(&self) -> Result<Option<Binding>, Error> {
        match self.patcher.get(self.resource, &self.key.namespace, &self.key.name).await? {
            Some(object) => self.read(&object).map(Some),
            None => Ok(None),
        }
    }

    fn read(&self, object: &Value) -> Result<Binding, Error> {
        Binding::deserialize(object).map_err(|source| Error::Codec { what: self.key.to_string(), source })
    }

    /// Whether the binding is no longer the one that was decided about.
    fn is_other(&self, now: &Binding) -> bool {
        let then = &self.binding.metadata;
        now.metadata.generation != then.generation
            || now.metadata.uid != then.uid
            || now.metadata.deletion_timestamp != then.deletion_timestamp
            || now.applied_placement() != self.binding.applied_placement()
    }
}

/// The conditions with the verdict among them; the time of transition moves with the status only.
fn conditions(old: &[Condition], verdict: &Verdict, now: &Time) -> Vec<Condition> {
    let mut all = old.to_vec();
    let same = |it: &&mut Condition| it.kind == "Scheduled";
    let since = match all.iter_mut().find(same) {
        Some(it) if it.status == verdict.status() => it.last_transition_time.clone(),
        _ => None,
    };
    let new = Condition {
        kind: "Scheduled".to_owned(),
        status: verdict.status().to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        message: verdict.message.clone(),
        last_transition_time: Some(since.unwrap_or_else(|| seconds(now))),
        observed_generation: None,
    };
    match all.iter_mut().find(same) {
        Some(it) => *it = new,
        None => all.push(new),
    }
    all
}

/// Kubernetes' times have whole seconds.
fn seconds(time: &Time) -> Time {
    Time(Timestamp::from_second(time.0.as_second()).unwrap_or(time.0))
}
