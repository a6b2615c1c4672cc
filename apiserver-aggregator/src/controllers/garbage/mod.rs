//! The garbage collector: deletes objects whose owners are all gone, and carries out foreground and orphan deletion.
//!
//! [`graph`] knows, from metadata alone, who depends on whom and which owners exist. It only ever points at objects worth
//! a look; whether one is deleted is decided by reading it and its owners as they are stored at that moment, and the
//! deletion carries the uid and version that were looked at. An owner of a kind that the server does not know (its CRD is
//! missing) is taken for alive.

pub mod graph;

use std::{fmt, sync::Arc};

use karmada_runtime::{
    ControllerSpec, Error, Outcome, Patcher, Queue, Resource, controller,
    error::{Class, Classify},
    patcher::{DeleteOptions, PatchKind, Propagation},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::graph::Graph;
use super::{
    Kit, backoff,
    feed::{Change, Observer, OwnerReference},
};

/// Held by an object that goes after its dependents.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Held by an object whose dependents are to be kept.
pub const ORPHAN: &str = "orphan";
const MANAGER: &str = "generic-garbage-collector";

/// An object to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Group and version.
    pub api_version: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Uid.
    pub uid: Arc<str>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{} ({})", self.kind, self.namespace, self.name, self.uid)
    }
}

struct Collector {
    graph: Mutex<Graph>,
    queue: Queue<Identity>,
}

impl Observer for Collector {
    fn observe(&self, change: &Change) {
        let mut graph = self.graph.lock();
        graph.observe(change);
        for identity in graph.take_suspects() {
            self.queue.add(identity);
        }
    }

    fn synced(&self) {
        let mut graph = self.graph.lock();
        graph.synced();
        for identity in graph.take_suspects() {
            self.queue.add(identity);
        }
    }

    fn reset(&self) {
        *self.graph.lock() = Graph::default();
    }
}

/// Starts the collector.
pub(super) fn start(kit: &Kit) -> Arc<dyn Observer> {
    let collector = Arc::new(Collector { graph: Mutex::default(), queue: Queue::new("garbage-collector", backoff()) });
    let worker = Arc::new(Worker { patcher: kit.patcher(MANAGER), kit: kit.clone(), collector: collector.clone() });
    let spec = ControllerSpec { name: "garbage-collector", concurrency: kit.concurrency };
    kit.tasks.spawn(controller::run(spec, collector.queue.clone(), kit.stop.clone(), move |identity: Identity| {
        let worker = worker.clone();
        async move { worker.attempt(&identity).await }
    }));
    collector
}

/// Why an object could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum GarbageError {
    /// A request failed.
    #[error("collect {identity}")]
    Request {
        /// The object.
        identity: Box<Identity>,
        /// Why.
        source: Error,
    },
    /// The kind of the object or of an owner is not served now.
    #[error("collect {identity}: the server does not know {api_version} {kind}")]
    UnknownKind {
        /// The object.
        identity: Box<Identity>,
        /// The unknown kind's version.
        api_version: String,
        /// The unknown kind.
        kind: String,
    },
}

impl Classify for GarbageError {
    fn category(&self) -> &'static str {
        match self {
            Self::Request { source, .. } => source.category(),
            Self::UnknownKind { .. } => "unknown_kind",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Request { .. } => Class::Transient,
            // A CRD may come back; until then there is nothing to do.
            Self::UnknownKind { .. } => Class::Waiting(std::time::Duration::from_secs(30)),
        }
    }
}

/// What the owners of an object are.
#[derive(Debug, Default, PartialEq)]
struct Owners {
    /// Exist and stay.
    solid: Vec<String>,
    /// Do not exist.
    dangling: Vec<String>,
    /// Are being deleted in the foreground.
    waiting: Vec<String>,
}

struct Worker {
    patcher: Patcher,
    kit: Kit,
    collector: Arc<Collector>,
}

impl Worker {
    async fn attempt(&self, identity: &Identity) -> Result<Outcome, GarbageError> {
        let request = |source| GarbageError::Request { identity: Box::new(identity.clone()), source };
        let resource = self.resource(identity, &identity.api_version, &identity.kind)?;
        let live = self.patcher.get(&resource, &identity.namespace, &identity.name).await.map_err(request)?;
        let Some(live) = live.filter(|o| o["metadata"]["uid"] == *identity.uid) else {
            return Ok(Outcome::Done);
        };
        let metadata = &live["metadata"];
        let has = |finalizer: &str| metadata["finalizers"].as_array().is_some_and(|f| f.iter().any(|f| f == finalizer));
        if !metadata["deletionTimestamp"].is_null() {
            if has(FOREGROUND) {
                return self.foreground(identity, &resource, &live).await;
            }
            if has(ORPHAN) {
                return self.orphan(identity, &resource, &live).await;
            }
            return Ok(Outcome::Done);
        }
        let references: Vec<OwnerReference> =
            serde_json::from_value(metadata["ownerReferences"].clone()).unwrap_or_default();
        if references.is_empty() {
            return Ok(Outcome::Done);
        }
        let owners = self.owners(identity, &resource, &references).await?;
        let version = metadata["resourceVersion"].as_str().map(str::to_owned);
        if !owners.solid.is_empty() {
            if owners.dangling.is_empty() && owners.waiting.is_empty() {
                return Ok(Outcome::Done);
            }
            let gone = |uid: &Value| owners.dangling.iter().chain(&owners.waiting).any(|u| uid == u.as_str());
            return self.drop_owners(identity, &resource, &live, gone).await.map_err(request);
        }
        let propagation = if !owners.waiting.is_empty() && self.collector.graph.lock().has_dependents(&identity.uid) {
            // Its owner waits for it, so it has to wait for its own dependents.
            Propagation::Foreground
        } else if has(ORPHAN) {
            Propagation::Orphan
        } else if has(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        let options = DeleteOptions {
            propagation: Some(propagation),
            uid: Some(identity.uid.to_string()),
            resource_version: version,
            ..DeleteOptions::default()
        };
        tracing::debug!(%identity, ?propagation, "delete: no owner is left");
        match self.patcher.delete(&resource, &identity.namespace, &identity.name, &options).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => Err(request(error)),
        }
    }

    fn resource(&self, identity: &Identity, api_version: &str, kind: &str) -> Result<Resource, GarbageError> {
        self.kit.resource(api_version, kind).ok_or_else(|| GarbageError::UnknownKind {
            identity: Box::new(identity.clone()),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        })
    }

    async fn owners(
        &self,
        identity: &Identity,
        resource: &Resource,
        references: &[OwnerReference],
    ) -> Result<Owners, GarbageError> {
        let mut owners = Owners::default();
        for reference in references {
            let owner = self.resource(identity, &reference.api_version, &reference.kind)?;
            if owner.namespaced && !resource.namespaced {
                // Such a reference can never be resolved. Nothing is deleted because of a mistake in a manifest.
                owners.solid.push(reference.uid.clone());
                continue;
            }
            let namespace = if owner.namespaced { &*identity.namespace } else { "" };
            let live = self.patcher.get(&owner, namespace, &reference.name).await;
            let live = live.map_err(|source| GarbageError::Request { identity: Box::new(identity.clone()), source })?;
            let uid = reference.uid.clone();
            match live.filter(|o| o["metadata"]["uid"] == uid.as_str()) {
                None => owners.dangling.push(uid),
                Some(o) if is_deleted_in_foreground(&o) => owners.waiting.push(uid),
                Some(_) => owners.solid.push(uid),
            }
        }
        Ok(owners)
    }

    /// An object that goes after its dependents: asks for theirs, and lets it go when no blocking one is left.
    async fn foreground(
        &self,
        identity: &Identity,
        resource: &Resource,
        live: &Value,
    ) -> Result<Outcome, GarbageError> {
        let (dependents, blocking) = self.collector.graph.lock().dependents(&identity.uid);
        if blocking == 0 {
            let done = self.drop_finalizer(identity, resource, live, FOREGROUND).await;
            return done.map_err(|source| GarbageError::Request { identity: Box::new(identity.clone()), source });
        }
        for dependent in dependents {
            self.collector.queue.add(dependent);
        }
        // The last dependent's deletion brings this object here again.
        Ok(Outcome::Done)
    }

    /// An object whose dependents stay: takes it off their lists of owners, then lets it go.
    async fn orphan(&self, identity: &Identity, resource: &Resource, live: &Value) -> Result<Outcome, GarbageError> {
        let request = |source| GarbageError::Request { identity: Box::new(identity.clone()), source };
        let (dependents, _) = self.collector.graph.lock().dependents(&identity.uid);
        for dependent in dependents {
            let of = self.resource(identity, &dependent.api_version, &dependent.kind)?;
            let object = self.patcher.get(&of, &dependent.namespace, &dependent.name).await.map_err(request)?;
            let Some(object) = object.filter(|o| o["metadata"]["uid"] == *dependent.uid) else { continue };
            self.drop_owners(&dependent, &of, &object, |uid| *uid == *identity.uid).await.map_err(request)?;
        }
        self.drop_finalizer(identity, resource, live, ORPHAN).await.map_err(request)
    }

    async fn drop_owners(
        &self,
        identity: &Identity,
        resource: &Resource,
        live: &Value,
        gone: impl Fn(&Value) -> bool,
    ) -> Result<Outcome, Error> {
        let references = live["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let kept: Vec<Value> = references.iter().filter(|r| !gone(&r["uid"])).cloned().collect();
        if kept.len() == references.len() {
            return Ok(Outcome::Done);
        }
        let kept = if kept.is_empty() { Value::Null } else { kept.into() };
        self.patch_metadata(identity, resource, live, "ownerReferences", kept).await
    }

    async fn drop_finalizer(
        &self,
        identity: &Identity,
        resource: &Resource,
        live: &Value,
        finalizer: &str,
    ) -> Result<Outcome, Error> {
        let finalizers = live["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let kept: Vec<Value> = finalizers.into_iter().filter(|f| f != finalizer).collect();
        let kept = if kept.is_empty() { Value::Null } else { kept.into() };
        self.patch_metadata(identity, resource, live, "finalizers", kept).await
    }

    async fn patch_metadata(
        &self,
        identity: &Identity,
        resource: &Resource,
        live: &Value,
        field: &str,
        value: Value,
    ) -> Result<Outcome, Error> {
        let metadata = &live["metadata"];
        let patch = json!({
            "metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], field: value}
        });
        let (namespace, name) = (&identity.namespace, &identity.name);
        match self.patcher.patch(resource, namespace, name, "", PatchKind::Merge, &patch).await {
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(error) => Err(error),
            Ok(_) => Ok(Outcome::Done),
        }
    }
}

fn is_deleted_in_foreground(object: &Value) -> bool {
    let metadata = &object["metadata"];
    !metadata["deletionTimestamp"].is_null()
        && metadata["finalizers"].as_array().is_some_and(|f| f.iter().any(|f| f == FOREGROUND))
}
