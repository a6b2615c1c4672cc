//! Resource templates: every object that a policy may propagate, whatever its kind.
//!
//! The kinds follow from discovery: all preferred resources that can be listed, watched and deleted, except Karmada's own
//! and those that the flags skip. Discovery is repeated every 30 seconds, and soon after a CustomResourceDefinition or
//! APIService changes, so that a new kind is propagated within a second of its installation.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use karmada_api::{labels, names};
use karmada_runtime::error::chain;
use karmada_runtime::{Change, Informer, InformerSpec, Mapper, ObjectKey, Resource};
use parking_lot::RwLock;
use regex::Regex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Which template.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateKey {
    /// `apiVersion`.
    pub api_version: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, Kind={}, {}", self.api_version, self.kind, self.key)
    }
}

/// What is not propagated, from flags.
#[derive(Clone, Debug)]
pub struct Skipped {
    groups: Vec<String>,
    versions: Vec<(String, String)>,
    kinds: Vec<(String, String, String)>,
    namespaces: Vec<Regex>,
}

/// Groups of Karmada's own kinds; search.karmada.io and multicluster.x-k8s.io are propagated like any other.
const OWN_GROUPS: [&str; 8] = [
    "cluster.karmada.io",
    "policy.karmada.io",
    "work.karmada.io",
    "config.karmada.io",
    "networking.karmada.io",
    "autoscaling.karmada.io",
    "remedy.karmada.io",
    "apps.karmada.io",
];

impl Skipped {
    /// From `--skipped-propagating-apis` (`group`, `group/version`, `group/version/Kind,Kind`, separated by `;`; the core
    /// group as `v1/Kind`) and `--skipped-propagating-namespaces` (regular expressions that match whole names).
    ///
    /// # Errors
    /// A text of the wrong form.
    pub fn parse(apis: &str, namespaces: &[String]) -> Result<Self, String> {
        let mut skipped = Self {
            groups: OWN_GROUPS.iter().map(|g| (*g).to_owned()).chain(["events.k8s.io".to_owned()]).collect(),
            versions: vec![("coordination.k8s.io".to_owned(), "v1".to_owned())],
            kinds: vec![(String::new(), "v1".to_owned(), "Event".to_owned())],
            namespaces: Vec::new(),
        };
        for part in apis.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let pieces: Vec<&str> = part.split('/').collect();
            match pieces.as_slice() {
                ["v1", kinds] => skipped.add_kinds("", "v1", kinds),
                [group] => skipped.groups.push((*group).to_owned()),
                [group, version] => skipped.versions.push(((*group).to_owned(), (*version).to_owned())),
                [group, version, kinds] => skipped.add_kinds(group, version, kinds),
                _ => {
                    return Err(format!(
                        "failed to parse {part:?}: want group, group/version or group/version/kind,kind"
                    ));
                }
            }
        }
        for pattern in namespaces {
            let anchored = format!("^(?:{pattern})$");
            skipped.namespaces.push(Regex::new(&anchored).map_err(|e| format!("{pattern:?}: {e}"))?);
        }
        Ok(skipped)
    }

    fn add_kinds(&mut self, group: &str, version: &str, kinds: &str) {
        for kind in kinds.split(',') {
            self.kinds.push((group.to_owned(), version.to_owned(), kind.to_owned()));
        }
    }

    /// Whether objects of this resource are never propagated.
    pub fn resource(&self, resource: &Resource) -> bool {
        self.groups.contains(&resource.group)
            || self.versions.iter().any(|(g, v)| *g == resource.group && *v == resource.version)
            || self.kinds.iter().any(|(g, v, k)| *g == resource.group && *v == resource.version && *k == resource.kind)
    }

    /// Whether objects of this namespace are never propagated.
    pub fn namespace(&self, namespace: &str) -> bool {
        !namespace.is_empty()
            && (names::is_reserved_namespace(namespace) || self.namespaces.iter().any(|r| r.is_match(namespace)))
    }
}

/// The index of templates by the permanent id of the policy that claimed them.
const BY_POLICY: &str = "policy";

type OnChange = dyn Fn(&TemplateKey, &Change<'_, Value>) + Send + Sync;

struct Watched {
    informer: Arc<Informer<Value>>,
    stop: CancellationToken,
}

/// The caches of all templates.
pub struct Templates {
    client: kube::Client,
    mapper: Arc<Mapper>,
    skipped: Skipped,
    watched: RwLock<HashMap<(String, String), Watched>>,
    on_change: RwLock<Option<Arc<OnChange>>>,
    rediscover: Notify,
    first_discovery: tokio::sync::watch::Sender<bool>,
}

const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);
/// A burst of installed CRDs causes one discovery.
const DISCOVERY_PAUSE: Duration = Duration::from_millis(150);

impl Templates {
    /// No templates yet; filled by [`run`](Self::run).
    pub fn new(client: kube::Client, mapper: Arc<Mapper>, skipped: Skipped) -> Arc<Self> {
        Arc::new(Self {
            client,
            mapper,
            skipped,
            watched: RwLock::default(),
            on_change: RwLock::default(),
            rediscover: Notify::new(),
            first_discovery: tokio::sync::watch::Sender::new(false),
        })
    }

    /// Sets the one listener of all changes. Must be called before [`run`](Self::run).
    pub fn listen(&self, on_change: impl Fn(&TemplateKey, &Change<'_, Value>) + Send + Sync + 'static) {
        *self.on_change.write() = Some(Arc::new(on_change));
    }

    /// What is skipped.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// One template from the caches.
    pub fn get(&self, key: &TemplateKey) -> Option<Arc<Value>> {
        let watched = self.watched.read();
        let found = watched.get(&(key.api_version.to_string(), key.kind.to_string()))?;
        found.informer.get(&key.key)
    }

    /// The cache of a kind, if it is watched.
    pub fn informer(&self, api_version: &str, kind: &str) -> Option<Arc<Informer<Value>>> {
        self.watched.read().get(&(api_version.to_owned(), kind.to_owned())).map(|w| Arc::clone(&w.informer))
    }

    /// The templates that a policy with this permanent id has claimed.
    pub fn claimed_by(&self, permanent_id: &str) -> Vec<(TemplateKey, Arc<Value>)> {
        let watched = self.watched.read();
        let mut found = Vec::new();
        for ((api_version, kind), entry) in watched.iter() {
            for (key, object) in entry.informer.by_index(BY_POLICY, permanent_id) {
                found.push((
                    TemplateKey { api_version: Arc::from(&**api_version), kind: Arc::from(&**kind), key },
                    object,
                ));
            }
        }
        found
    }

    /// All templates of the kinds that are watched now.
    pub fn all(&self) -> Vec<(TemplateKey, Arc<Value>)> {
        let watched = self.watched.read();
        let mut found = Vec::new();
        for ((api_version, kind), entry) in watched.iter() {
            let (api_version, kind): (Arc<str>, Arc<str>) = (Arc::from(&**api_version), Arc::from(&**kind));
            for (key, object) in entry.informer.list() {
                found.push((
                    TemplateKey { api_version: Arc::clone(&api_version), kind: Arc::clone(&kind), key },
                    object,
                ));
            }
        }
        found
    }

    /// Takes in a template that was just written.
    pub fn observe(&self, object: &Value) {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(entry) = self.watched.read().get(&(text("apiVersion"), text("kind"))) {
            entry.informer.observe(object);
        }
    }

    /// Asks for a discovery soon.
    pub fn rediscover(&self) {
        self.rediscover.notify_one();
    }

    /// Waits until the kinds of the first discovery are listed.
    pub async fn wait_synced(&self) {
        let mut first = self.first_discovery.subscribe();
        // The guard that comes back must not live across the next await.
        drop(first.wait_for(|done| *done).await);
        let informers: Vec<_> = self.watched.read().values().map(|w| Arc::clone(&w.informer)).collect();
        for informer in informers {
            informer.wait_synced().await;
        }
    }

    /// Discovers and watches until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            match self.mapper.refresh().await {
                Ok(_) => {
                    self.follow_catalog(&shutdown);
                    self.first_discovery.send_replace(true);
                }
                Err(error) => tracing::warn!(error = chain(&error), "discovery failed"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(DISCOVERY_PERIOD) => {}
                () = self.rediscover.notified() => tokio::time::sleep(DISCOVERY_PAUSE).await,
            }
        }
    }

    fn follow_catalog(&self, shutdown: &CancellationToken) {
        let catalog = self.mapper.catalog();
        let wanted: HashMap<(String, String), Resource> = catalog
            .resources
            .iter()
            .filter(|r| r.preferred && r.supports(&["list", "watch", "delete"]) && !self.skipped.resource(&r.resource))
            .map(|r| ((r.resource.api_version(), r.resource.kind.clone()), r.resource.clone()))
            .collect();
        let mut watched = self.watched.write();
        watched.retain(|id, entry| {
            let group = id.0.split_once('/').map_or("", |(group, _)| group);
            // A group whose server is down for a moment keeps its caches.
            let stays =
                wanted.contains_key(id) || catalog.incomplete.iter().any(|g| g.starts_with(group) && !group.is_empty());
            if !stays {
                entry.stop.cancel();
            }
            stays
        });
        for (id, resource) in wanted {
            watched.entry(id).or_insert_with(|| self.watch(resource, shutdown));
        }
    }

    fn watch(&self, resource: Resource, shutdown: &CancellationToken) -> Watched {
        let (api_version, kind): (Arc<str>, Arc<str>) =
            (Arc::from(resource.api_version()), Arc::from(resource.kind.as_str()));
        let informer = Informer::values(self.client.clone(), InformerSpec::all(resource));
        informer.add_index(BY_POLICY, |_, object| {
            let label = |key: &str| object.get("metadata")?.get("labels")?.get(key)?.as_str().map(str::to_owned);
            [labels::PROPAGATION_POLICY_PERMANENT_ID, labels::CLUSTER_PROPAGATION_POLICY_PERMANENT_ID]
                .into_iter()
                .filter_map(label)
                .collect()
        });
        let (skipped, on_change) = (self.skipped.clone(), self.on_change.read().clone());
        informer.add_handler(move |change| {
            if skipped.namespace(&change.key.namespace) {
                return;
            }
            if let Some(on_change) = &on_change {
                let key = TemplateKey {
                    api_version: Arc::clone(&api_version),
                    kind: Arc::clone(&kind),
                    key: change.key.clone(),
                };
                on_change(&key, change);
            }
        });
        let stop = shutdown.child_token();
        let (running, token) = (Arc::clone(&informer), stop.clone());
        tokio::spawn(async move { running.run(token).await });
        Watched { informer, stop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, version: &str, kind: &str) -> Resource {
        Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: String::new(),
            namespaced: true,
        }
    }

    #[test]
    fn flags_name_groups_versions_and_kinds() {
        let skipped = Skipped::parse(
            "example.io;apps/v1beta1;networking.k8s.io/v1/Ingress,NetworkPolicy;v1/Pod",
            &["kube-.*".to_owned()],
        )
        .unwrap();
        assert!(skipped.resource(&resource("example.io", "v1", "Any")));
        assert!(skipped.resource(&resource("apps", "v1beta1", "Deployment")));
        assert!(!skipped.resource(&resource("apps", "v1", "Deployment")));
        assert!(skipped.resource(&resource("networking.k8s.io", "v1", "Ingress")));
        assert!(skipped.resource(&resource("", "v1", "Pod")));
        assert!(skipped.resource(&resource("", "v1", "Event")));
        assert!(skipped.resource(&resource("policy.karmada.io", "v1alpha1", "PropagationPolicy")));
        assert!(!skipped.resource(&resource("multicluster.x-k8s.io", "v1alpha1", "ServiceImport")));
        assert!(skipped.namespace("kube-system"));
        assert!(skipped.namespace("karmada-es-m1"));
        assert!(!skipped.namespace("my-kube-x"));
        assert!(Skipped::parse("a/b/c/d", &[]).is_err());
    }
}
