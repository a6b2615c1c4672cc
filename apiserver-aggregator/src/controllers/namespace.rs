//! Deletes what is in a namespace that is being deleted, then lets the namespace go.
//!
//! Acts on namespaces with a deletionTimestamp and the finalizer `kubernetes` in their spec. Every stored namespaced
//! resource is looked at through the store's keys, so that one empty look costs no request. A namespace in which
//! something is held by finalizers is looked at again and says in its conditions what it waits for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use karmada_runtime::{
    ControllerSpec, Error, Outcome, Patcher, Queue, Resource,
    controller::{self},
    error::{Class, Classify},
    patcher::PatchKind,
};
use karmada_storage::RangeOptions;
use serde_json::{Value, json};

use super::{
    Kit, backoff, core,
    feed::{Change, Observer},
    resource_of,
};
use crate::reviews::seconds;

const PREFIX: &str = "/registry/namespaces/";
const FINALIZER: &str = "kubernetes";
const MANAGER: &str = "namespace-controller";

/// How soon a namespace is looked at again whose content is on its way out.
const SOON: Duration = Duration::from_millis(100);
/// And one whose content waits for finalizers of somebody else.
const LATER: Duration = Duration::from_secs(2);

struct NamespaceObserver {
    queue: Queue<String>,
}

impl Observer for NamespaceObserver {
    fn observe(&self, change: &Change) {
        let Some(name) = change.key.strip_prefix(PREFIX) else { return };
        if change.object.as_ref().is_some_and(|o| o.metadata.is_deleting()) {
            self.queue.add(name.to_owned());
        }
    }
}

struct Controller {
    patcher: Patcher,
    kit: Kit,
}

/// Why a namespace could not be emptied.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A request failed.
    #[error("delete the content of namespace {namespace}")]
    Request {
        /// The namespace.
        namespace: String,
        /// Why.
        source: Error,
    },
    /// The store could not be read.
    #[error("look for the content of namespace {namespace}")]
    Store {
        /// The namespace.
        namespace: String,
        /// Why.
        source: karmada_storage::StoreError,
    },
}

impl Classify for NamespaceError {
    fn category(&self) -> &'static str {
        match self {
            Self::Request { source, .. } => source.category(),
            Self::Store { .. } => "store",
        }
    }

    fn class(&self) -> Class {
        Class::Transient
    }
}

/// Starts the controller.
pub(super) fn start(kit: &Kit) -> Arc<dyn Observer> {
    let queue = Queue::new("namespace", backoff());
    let controller = Arc::new(Controller { patcher: kit.patcher(MANAGER), kit: kit.clone() });
    let spec = ControllerSpec { name: "namespace", concurrency: kit.concurrency };
    let stop = kit.stop.clone();
    kit.tasks.spawn(controller::run(spec, queue.clone(), stop, move |name: String| {
        let controller = controller.clone();
        async move { controller.reconcile(&name).await }
    }));
    Arc::new(NamespaceObserver { queue })
}

/// What is left of one resource in the namespace.
struct Remaining {
    resource: Resource,
    count: u64,
    finalizers: BTreeMap<String, u64>,
}

impl Controller {
    async fn reconcile(&self, name: &str) -> Result<Outcome, NamespaceError> {
        let request = |source| NamespaceError::Request { namespace: name.to_owned(), source };
        let namespaces = core("Namespace", "namespaces", false);
        let Some(namespace) = self.patcher.get(&namespaces, "", name).await.map_err(request)? else {
            return Ok(Outcome::Done);
        };
        let held = namespace["spec"]["finalizers"].as_array().is_some_and(|f| f.iter().any(|f| f == FINALIZER));
        if namespace["metadata"]["deletionTimestamp"].is_null() || !held {
            return Ok(Outcome::Done);
        }
        let mut failures = Vec::new();
        for resource in self.stored(name).await? {
            if let Err(error) = self.delete_collection(&resource, name).await {
                failures.push(format!("{}: {}", resource.plural, karmada_runtime::error::chain(&error)));
            }
        }
        let mut remaining = Vec::new();
        for resource in self.stored(name).await? {
            remaining.push(self.remaining(resource, name).await.map_err(request)?);
        }
        remaining.retain(|r| r.count > 0);
        if remaining.is_empty() && failures.is_empty() {
            return self.finalize(namespace, name).await.map_err(request);
        }
        let waits = remaining.iter().all(|r| !r.finalizers.is_empty());
        self.report(&namespace, name, &remaining, &failures).await.map_err(request)?;
        Ok(Outcome::RequeueAfter(if waits { LATER } else { SOON }))
    }

    /// The namespaced resources of which something is stored in the namespace.
    async fn stored(&self, namespace: &str) -> Result<Vec<Resource>, NamespaceError> {
        let snapshot = self.kit.registry.snapshot();
        let mut prefixes: BTreeMap<String, Resource> = BTreeMap::new();
        for info in &snapshot.ordered {
            if info.namespaced && info.has_verb("deletecollection") && info.has_verb("list") {
                // Several versions, and events under two groups, share one place: the first one named does for all.
                prefixes.entry(info.storage.prefix.clone()).or_insert_with(|| resource_of(info));
            }
        }
        let mut found = Vec::new();
        for (prefix, resource) in prefixes {
            let options = RangeOptions { limit: 1, keys_only: true, ..RangeOptions::default() };
            let page = self
                .kit
                .store
                .range(&format!("{prefix}/{namespace}/"), options)
                .await
                .map_err(|source| NamespaceError::Store { namespace: namespace.to_owned(), source })?;
            if !page.kvs.is_empty() {
                found.push(resource);
            }
        }
        Ok(found)
    }

    async fn delete_collection(&self, resource: &Resource, namespace: &str) -> Result<(), Error> {
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        let path = resource.collection_path(namespace);
        let request = http::Request::builder()
            .method(http::Method::DELETE)
            .uri(&path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes());
        let failed =
            |source: kube::Error| Error::Request { verb: "delete", what: path.clone(), source: Box::new(source) };
        let request = request.map_err(|error| failed(kube::Error::Service(error.into())))?;
        self.patcher.client().request_text(request).await.map(|_| ()).map_err(failed)
    }

    async fn remaining(&self, resource: Resource, namespace: &str) -> Result<Remaining, Error> {
        let items = self.patcher.list(&resource, namespace, "").await?;
        let mut finalizers = BTreeMap::new();
        for item in &items {
            for finalizer in karmada_machinery::meta::finalizers(item) {
                *finalizers.entry(finalizer.to_owned()).or_insert(0) += 1;
            }
        }
        Ok(Remaining { resource, count: items.len() as u64, finalizers })
    }

    async fn finalize(&self, mut namespace: Value, name: &str) -> Result<Outcome, Error> {
        if let Some(finalizers) = namespace["spec"]["finalizers"].as_array_mut() {
            finalizers.retain(|f| f != FINALIZER);
        }
        let namespaces = core("Namespace", "namespaces", false);
        match self.patcher.update(&namespaces, "", name, "finalize", &namespace).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(error) => Err(error),
        }
    }

    async fn report(
        &self,
        namespace: &Value,
        name: &str,
        remaining: &[Remaining],
        failures: &[String],
    ) -> Result<(), Error> {
        let wanted = conditions(namespace, remaining, failures, Timestamp::now());
        if namespace["status"]["conditions"].as_array() == Some(&wanted) {
            return Ok(());
        }
        let namespaces = core("Namespace", "namespaces", false);
        let patch = json!({"status": {"conditions": wanted}});
        match self.patcher.patch(&namespaces, "", name, "status", PatchKind::Merge, &patch).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

/// The conditions of a namespace that cannot go yet; times stay where nothing else has changed.
fn conditions(namespace: &Value, remaining: &[Remaining], failures: &[String], now: Timestamp) -> Vec<Value> {
    let content: Vec<String> = remaining
        .iter()
        .map(|r| {
            let group = if r.resource.group.is_empty() { String::new() } else { format!(".{}", r.resource.group) };
            format!("{}{group} has {} resource instances", r.resource.plural, r.count)
        })
        .collect();
    let mut by_finalizer: BTreeMap<&str, u64> = BTreeMap::new();
    for (finalizer, count) in remaining.iter().flat_map(|r| &r.finalizers) {
        *by_finalizer.entry(finalizer).or_default() += count;
    }
    let finalizers: Vec<String> =
        by_finalizer.iter().map(|(f, count)| format!("{f} in {count} resource instances")).collect();
    let failed = failures.join(", ");
    let rows = [
        (
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        if failures.is_empty() {
            (
                "NamespaceDeletionContentFailure",
                false,
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization".to_owned(),
            )
        } else {
            (
                "NamespaceDeletionContentFailure",
                true,
                "ContentDeletionFailed",
                format!("Failed to delete all resource types, {} remaining: {failed}", failures.len()),
            )
        },
        if content.is_empty() {
            ("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed".to_owned())
        } else {
            (
                "NamespaceContentRemaining",
                true,
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", content.join(", ")),
            )
        },
        if finalizers.is_empty() {
            (
                "NamespaceFinalizersRemaining",
                false,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished".to_owned(),
            )
        } else {
            (
                "NamespaceFinalizersRemaining",
                true,
                "SomeFinalizersRemain",
                format!("Some content in the namespace has finalizers remaining: {}", finalizers.join(", ")),
            )
        },
    ];
    rows.into_iter()
        .map(|(kind, status, reason, message)| {
            let status = if status { "True" } else { "False" };
            let old = namespace["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
            let since = old
                .filter(|c| c["status"] == status)
                .and_then(|c| c["lastTransitionTime"].as_str())
                .map_or_else(|| seconds(now), str::to_owned);
            json!({
                "type": kind,
                "status": status,
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_say_what_is_waited_for_and_keep_their_times() {
        let remaining = [Remaining {
            resource: core("ConfigMap", "configmaps", true),
            count: 2,
            finalizers: BTreeMap::from([("x/y".to_owned(), 1)]),
        }];
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let first = conditions(&Value::Null, &remaining, &[], now);
        assert_eq!(first.len(), 5);
        assert_eq!(first[3]["message"], "Some resources are remaining: configmaps has 2 resource instances");
        assert_eq!(
            first[4]["message"],
            "Some content in the namespace has finalizers remaining: x/y in 1 resource instances"
        );
        let namespace = json!({"status": {"conditions": first}});
        let later: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(conditions(&namespace, &remaining, &[], later), first);
        let failed = conditions(&namespace, &remaining, &["pods: no".to_owned()], later);
        assert_eq!(failed[2]["lastTransitionTime"], "2026-01-02T00:00:00Z");
    }
}
