//! Custom resource definitions: their conditions, the resources that they add, and the end of their instances.
//!
//! The set of definitions follows the store. One task brings the registry in line after every change: a definition whose
//! names are accepted is established and served at once; one that is being deleted loses its instances first and its
//! finalizer then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use karmada_machinery::{ResourceInfo, crd, meta};
use karmada_rest::registry::{CUSTOM, Registry};
use karmada_runtime::{Error, Patcher, Resource, error::chain, patcher::PatchKind};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{controllers::core, mirror::Projection, reviews::seconds};

/// Held by a definition until its instances are gone.
pub const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
const PREFIX: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/// The definitions. Follows the store.
#[derive(Default)]
pub struct Definitions {
    all: Mutex<BTreeMap<String, Arc<Value>>>,
    changed: Notify,
}

impl Projection for Definitions {
    fn prefixes(&self) -> &[&'static str] {
        &[PREFIX]
    }

    fn apply(&self, _prefix: &'static str, tail: &str, value: Option<&[u8]>) {
        let definition = value.and_then(|v| serde_json::from_slice::<Value>(v).ok());
        match definition {
            Some(definition) => self.all.lock().insert(tail.to_owned(), Arc::new(definition)),
            None => self.all.lock().remove(tail),
        };
        self.changed.notify_one();
    }

    fn clear(&self) {
        self.all.lock().clear();
    }
}

impl Definitions {
    fn snapshot(&self) -> Vec<Arc<Value>> {
        self.all.lock().values().cloned().collect()
    }

    /// The resources of all established definitions.
    fn resources(&self, made: &mut Made) -> Vec<Arc<ResourceInfo>> {
        let definitions = self.snapshot();
        let mut names = BTreeSet::new();
        let mut all = Vec::new();
        for definition in definitions.iter().filter(|d| crd::established(d)) {
            let name = meta::name(definition).unwrap_or_default().to_owned();
            let spec = &definition["spec"];
            // Compiling a schema is work: only for definitions that have changed.
            let resources = match made.get(&name) {
                Some((old, resources)) if old == spec => resources.clone(),
                _ => {
                    let resources: Vec<Arc<ResourceInfo>> =
                        crd::resources(definition).into_iter().map(Arc::new).collect();
                    made.insert(name.clone(), (spec.clone(), resources.clone()));
                    resources
                }
            };
            all.extend(resources);
            names.insert(name);
        }
        made.retain(|name, _| names.contains(name));
        all
    }
}

/// Resources by definition, with the spec that they were made from.
type Made = BTreeMap<String, (Value, Vec<Arc<ResourceInfo>>)>;

/// Serves the definitions of a server.
pub struct Controller {
    definitions: Arc<Definitions>,
    registry: Arc<Registry>,
    made: Made,
}

impl Controller {
    /// Serves what is established already; call it before the first request is let in.
    pub fn new(definitions: Arc<Definitions>, registry: Arc<Registry>) -> Self {
        let mut controller = Self { definitions, registry, made: Made::new() };
        controller.serve();
        controller
    }

    fn serve(&mut self) {
        let before: Vec<*const ResourceInfo> = self.made.values().flat_map(|(_, r)| r).map(Arc::as_ptr).collect();
        let resources = self.definitions.resources(&mut self.made);
        let after: Vec<*const ResourceInfo> = self.made.values().flat_map(|(_, r)| r).map(Arc::as_ptr).collect();
        if before != after || (before.is_empty() && !resources.is_empty()) {
            self.registry.replace(CUSTOM, resources);
        }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, patcher: Patcher, stop: CancellationToken) {
        // Ends of instances are not announced here; they are looked for while a definition is being deleted.
        let mut again = Duration::from_secs(3600);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.definitions.changed.notified() => {}
                () = tokio::time::sleep(again) => {}
            }
            self.serve();
            again = match self.reconcile(&patcher).await {
                Ok(true) => Duration::from_secs(3600),
                Ok(false) => Duration::from_millis(200),
                Err(error) => {
                    tracing::debug!(error = chain(&error), "reconcile custom resource definitions");
                    Duration::from_millis(500)
                }
            };
        }
    }

    /// Brings every definition's status up to date; `false` if one waits for its instances to go.
    async fn reconcile(&mut self, patcher: &Patcher) -> Result<bool, Error> {
        let mut settled = true;
        for definition in self.definitions.snapshot() {
            let name = meta::name(&definition).unwrap_or_default().to_owned();
            if meta::deletion_timestamp(&definition).is_some() {
                settled &= self.remove(patcher, &definition, &name).await?;
                continue;
            }
            let others = self.definitions.snapshot();
            let conditions = crd::accept_names(&definition, others.iter().map(Arc::as_ref));
            let mut new = (*definition).clone();
            let changed = conditions.apply(&mut new, &seconds(Timestamp::now()));
            if changed {
                // The stored object has no resourceVersion in it: the patch is of the status alone, and a race is
                // repaired by the next change.
                let patch = json!({"status": {
                    "acceptedNames": new["status"]["acceptedNames"],
                    "conditions": new["status"]["conditions"],
                }});
                let resource = definitions();
                match patcher.patch(&resource, "", &name, "status", PatchKind::Merge, &patch).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
                self.serve();
            }
        }
        Ok(settled)
    }

    /// Deletes the instances of a definition, then lets it go. `false` while instances are left.
    async fn remove(&self, patcher: &Patcher, definition: &Value, name: &str) -> Result<bool, Error> {
        if !meta::finalizers(definition).any(|f| f == FINALIZER) {
            return Ok(true);
        }
        let served = self.made.get(name).and_then(|(_, resources)| resources.first().cloned());
        if let Some(info) = served {
            let resource = crate::controllers::resource_of(&info);
            let instances = patcher.list(&resource, "", "").await?;
            if !instances.is_empty() {
                delete_instances(patcher, &resource, &instances).await?;
                return Ok(false);
            }
        }
        let live = patcher.get(&definitions(), "", name).await?;
        let Some(live) = live else { return Ok(true) };
        let kept: Vec<&str> = meta::finalizers(&live).filter(|f| *f != FINALIZER).collect();
        let patch = json!({"metadata": {
            "resourceVersion": live["metadata"]["resourceVersion"],
            "finalizers": if kept.is_empty() { Value::Null } else { json!(kept) },
        }});
        match patcher.patch(&definitions(), "", name, "", PatchKind::Merge, &patch).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(true),
        }
    }
}

async fn delete_instances(patcher: &Patcher, resource: &Resource, instances: &[Value]) -> Result<(), Error> {
    let options = karmada_runtime::patcher::DeleteOptions::background();
    for instance in instances.iter().filter(|i| meta::deletion_timestamp(i).is_none()) {
        let (namespace, name) =
            (meta::namespace(instance).unwrap_or_default(), meta::name(instance).unwrap_or_default());
        patcher.delete(resource, namespace, name, &options).await?;
    }
    Ok(())
}

fn definitions() -> Resource {
    Resource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        ..core("CustomResourceDefinition", "customresourcedefinitions", false)
    }
}
