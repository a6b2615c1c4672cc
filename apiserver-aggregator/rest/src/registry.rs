//! What is served: a snapshot that requests read without locks and that is replaced whole when CRDs or APIServices come and
//! go.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::{extract::Request, response::Response};
use karmada_machinery::{GroupResource, ResourceInfo, StatusError};
use parking_lot::Mutex;
use serde_json::Value;

use crate::{call::Call, server::ApiServer};

/// Serves something that the generic verbs do not: a subresource such as `token` or `proxy`, or a whole resource that is
/// not stored, such as `tokenreviews`.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers one request that has been authenticated and authorized. [`Call`] decodes the body and encodes the answer;
    /// the raw request is there for connections that are upgraded.
    async fn serve(&self, server: &ApiServer, call: Call, request: Request) -> Result<Response, StatusError>;
}

/// Ends a step of [`WriteHook::begin`]: told whether the write was committed.
pub type Finish = Box<dyn FnOnce(bool) + Send>;

/// Work beside the write of one resource that must be undone when the write fails, such as the allocation of cluster IPs.
#[async_trait]
pub trait WriteHook: Send + Sync {
    /// Runs after validation and before the write; `new` is `None` for a deletion, `old` is `None` for a creation. May
    /// change `new`. Must not have effects that outlive the request when `dry_run` is set.
    async fn begin(&self, new: Option<&mut Value>, old: Option<&Value>, dry_run: bool) -> Result<Finish, StatusError>;
}

/// Serves all of a group version that is not ours: a route to an extension server.
#[async_trait]
pub trait Delegate: Send + Sync {
    /// Answers one request that has been authenticated and authorized.
    async fn serve(&self, server: &ApiServer, call: Call, request: Request) -> Response;
}

/// A group version that a [`Delegate`] serves, with its part of discovery.
#[derive(Clone)]
pub struct Remote {
    /// The group.
    pub group: String,
    /// The version.
    pub version: String,
    /// Who serves it.
    pub delegate: Arc<dyn Delegate>,
    /// The resources in the form of an `APIResourceList`'s `resources`; `None` while the extension server is unreachable.
    pub resources: Option<Value>,
    /// The version's entry in the aggregated discovery document (`resources` with `subresources`), if known.
    pub aggregated: Option<Value>,
}

/// One version of one resource with what belongs to it.
pub struct Served {
    /// What it is.
    pub info: Arc<ResourceInfo>,
    /// Whether the resource is known only to discovery and its [`Handler`]: nothing is stored.
    pub virtual_only: bool,
}

/// Versions of one group with their resources by plural name.
type Versions = BTreeMap<String, HashMap<String, Arc<Served>>>;

/// One state of what is served.
#[derive(Default)]
pub struct Snapshot {
    groups: HashMap<String, Versions>,
    /// All resources in discovery's order.
    pub ordered: Vec<Arc<ResourceInfo>>,
    /// Group versions of extension servers.
    pub remotes: Vec<Remote>,
    /// Grows with each replacement; documents made from a snapshot are cached by it.
    pub generation: u64,
    handlers: HashMap<GroupResource, HashMap<String, Arc<dyn Handler>>>,
    hooks: HashMap<GroupResource, Arc<dyn WriteHook>>,
    custom: HashSet<GroupResource>,
}

impl Snapshot {
    /// The resource that a path names.
    pub fn resource(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Served>> {
        self.groups.get(group)?.get(version)?.get(resource)
    }

    /// Any version of the resource: for tools that know only the group resource.
    pub fn any_version(&self, group: &str, resource: &str) -> Option<&Arc<Served>> {
        self.groups.get(group)?.values().find_map(|r| r.get(resource))
    }

    /// The resource of a kind.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<ResourceInfo>> {
        let served = self.groups.get(group)?.get(version)?.values().find(|s| s.info.kind == kind)?;
        Some(&served.info)
    }

    /// Whether the resource is defined by a CustomResourceDefinition, whose schema may have changed since objects were
    /// stored.
    pub fn is_custom(&self, resource: &GroupResource) -> bool {
        self.custom.contains(resource)
    }

    /// Whether a group version is served by this process.
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        self.groups.get(group).is_some_and(|v| v.contains_key(version))
    }

    /// The route to an extension server.
    pub fn remote(&self, group: &str, version: &str) -> Option<&Remote> {
        self.remotes.iter().find(|r| r.group == group && r.version == version)
    }

    /// The handler of a subresource, or of a whole resource (with an empty `subresource`).
    pub fn handler(&self, resource: &GroupResource, subresource: &str) -> Option<&Arc<dyn Handler>> {
        self.handlers.get(resource)?.get(subresource)
    }

    /// The hook beside writes of a resource.
    pub fn hook(&self, resource: &GroupResource) -> Option<&Arc<dyn WriteHook>> {
        self.hooks.get(resource)
    }
}

/// Where a set of resources comes from; each source is replaced as a whole.
pub type Source = &'static str;

/// The parts that a snapshot is made of.
#[derive(Default)]
struct Parts {
    /// Resources by source; sources in order of their names, so that built-in ones (`""`) come first.
    resources: BTreeMap<Source, Vec<Arc<ResourceInfo>>>,
    virtuals: Vec<GroupResource>,
    remotes: Vec<Remote>,
    handlers: HashMap<GroupResource, HashMap<String, Arc<dyn Handler>>>,
    hooks: HashMap<GroupResource, Arc<dyn WriteHook>>,
    generation: u64,
}

/// The set of served resources.
#[derive(Default)]
pub struct Registry {
    snapshot: ArcSwap<Snapshot>,
    parts: Mutex<Parts>,
}

/// The source of built-in resources.
pub const BUILTIN: Source = "";
/// The source of resources defined by CustomResourceDefinitions.
pub const CUSTOM: Source = "custom";

impl Registry {
    /// A registry that serves these built-in resources.
    pub fn new(builtin: Vec<ResourceInfo>) -> Self {
        let registry = Self::default();
        registry.replace(BUILTIN, builtin.into_iter().map(Arc::new).collect());
        registry
    }

    /// The current state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Replaces all resources of one source.
    pub fn replace(&self, source: Source, resources: Vec<Arc<ResourceInfo>>) {
        self.change(|parts| {
            parts.resources.insert(source, resources);
        });
    }

    /// Replaces the group versions of extension servers.
    pub fn replace_remotes(&self, remotes: Vec<Remote>) {
        self.change(|parts| parts.remotes = remotes);
    }

    /// Sets the handler of a subresource of all versions of a resource.
    pub fn set_subresource(&self, resource: GroupResource, subresource: &str, handler: Arc<dyn Handler>) {
        self.change(|parts| {
            parts.handlers.entry(resource).or_default().insert(subresource.to_owned(), handler);
        });
    }

    /// Makes a resource (all its versions) one that is not stored and that `handler` serves.
    pub fn set_virtual(&self, resource: GroupResource, handler: Arc<dyn Handler>) {
        self.change(|parts| {
            parts.virtuals.push(resource.clone());
            parts.handlers.entry(resource).or_default().insert(String::new(), handler);
        });
    }

    /// Sets the hook beside writes of a resource.
    pub fn set_hook(&self, resource: GroupResource, hook: Arc<dyn WriteHook>) {
        self.change(|parts| {
            parts.hooks.insert(resource, hook);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        // Held while the new snapshot is stored, so that concurrent changes cannot overwrite one another.
        let mut parts = self.parts.lock();
        change(&mut parts);
        parts.generation += 1;
        let mut snapshot = Snapshot {
            remotes: parts.remotes.clone(),
            generation: parts.generation,
            handlers: parts.handlers.clone(),
            hooks: parts.hooks.clone(),
            ..Snapshot::default()
        };
        if let Some(custom) = parts.resources.get(CUSTOM) {
            snapshot.custom = custom.iter().map(|info| info.group_resource()).collect();
        }
        for info in parts.resources.values().flatten() {
            let served =
                Served { virtual_only: parts.virtuals.contains(&info.group_resource()), info: Arc::clone(info) };
            let resources =
                snapshot.groups.entry(info.gvr.group.clone()).or_default().entry(info.gvr.version.clone()).or_default();
            // The first source wins: a CRD cannot take over a built-in resource.
            if !resources.contains_key(&info.gvr.resource) {
                resources.insert(info.gvr.resource.clone(), Arc::new(served));
                snapshot.ordered.push(Arc::clone(info));
            }
        }
        self.snapshot.store(Arc::new(snapshot));
    }
}
