//! Members and their shared caches.

use std::collections::HashMap;
use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_api::labels;
use karmada_runtime::{Change, Informer, InformerSpec, Mapper, ObjectKey, Patcher, Resource};
use kube::Client;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::connect::{Connect, ConnectError};

/// A change of a managed object in a member, as listeners see it.
pub struct ObjectChange<'a> {
    /// The member.
    pub cluster: &'a str,
    /// The resource.
    pub resource: &'a Resource,
    /// What changed.
    pub change: &'a Change<'a, Value>,
}

type Listener = Arc<dyn Fn(&ObjectChange<'_>) + Send + Sync>;

/// One member cluster: client, discovery and caches of managed objects.
pub struct Member {
    name: String,
    client: Client,
    /// Writes under Karmada's field manager.
    pub patcher: Patcher,
    /// The member's discovery.
    pub mapper: Mapper,
    informers: Mutex<HashMap<Resource, Arc<Informer<Value>>>>,
    listeners: Arc<RwLock<Vec<Listener>>>,
    shutdown: CancellationToken,
}

impl Member {
    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A token that is cancelled when the member is dropped from the fleet or its credentials change.
    pub fn closed(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// The cache of the managed objects of a resource; started on first use.
    pub fn informer(&self, resource: &Resource) -> Arc<Informer<Value>> {
        let mut informers = self.informers.lock();
        if let Some(informer) = informers.get(resource) {
            return Arc::clone(informer);
        }
        let spec = InformerSpec::all(resource.clone()).labelled(&format!("{}={}", labels::MANAGED, labels::TRUE));
        let informer = Informer::values(self.client.clone(), spec);
        let (cluster, listeners, of) = (self.name.clone(), Arc::clone(&self.listeners), resource.clone());
        informer.add_handler(move |change| {
            for listener in listeners.read().iter() {
                listener(&ObjectChange { cluster: &cluster, resource: &of, change });
            }
        });
        informers.insert(resource.clone(), Arc::clone(&informer));
        let (running, shutdown) = (Arc::clone(&informer), self.shutdown.clone());
        tokio::spawn(async move { running.run(shutdown).await });
        informer
    }
}

struct Entry {
    /// What the client was made from.
    made_from: Connection,
    member: Arc<Member>,
}

/// All members that a process talks to.
pub struct Fleet {
    connector: Arc<dyn Connect>,
    clusters: Arc<Informer<Cluster>>,
    members: tokio::sync::Mutex<HashMap<String, Entry>>,
    listeners: Arc<RwLock<Vec<Listener>>>,
    shutdown: CancellationToken,
}

/// The field manager under which Karmada writes to members.
const MANAGER: &str = "karmada-controller-manager";

impl Fleet {
    /// A fleet over the known Clusters. Members are connected when first asked for.
    pub fn new(
        connector: Arc<dyn Connect>,
        clusters: Arc<Informer<Cluster>>,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            clusters,
            members: tokio::sync::Mutex::new(HashMap::new()),
            listeners: Arc::default(),
            shutdown,
        })
    }

    /// Calls `listener` for every change of a managed object in any member. Must be quick.
    pub fn listen(&self, listener: impl Fn(&ObjectChange<'_>) + Send + Sync + 'static) {
        self.listeners.write().push(Arc::new(listener));
    }

    /// The Cluster object of a member, as last seen.
    pub fn cluster(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters.get(&ObjectKey::cluster_scoped(name))
    }

    /// All known Clusters.
    pub fn clusters(&self) -> &Arc<Informer<Cluster>> {
        &self.clusters
    }

    /// The member of this name; connected, or connected anew if its Cluster changed since.
    pub async fn member(&self, name: &str) -> Result<Arc<Member>, ConnectError> {
        let cluster = self.cluster(name).ok_or_else(|| ConnectError::UnknownCluster { cluster: name.to_owned() })?;
        let made_from = Connection::of(&cluster);
        let mut members = self.members.lock().await;
        // A change that does not touch the connection (a taint, a region) keeps the client and its caches.
        if let Some(entry) = members.get(name)
            && entry.made_from == made_from
        {
            return Ok(Arc::clone(&entry.member));
        }
        let client = self.connector.connect(&cluster).await?;
        let member = Arc::new(Member {
            name: name.to_owned(),
            patcher: Patcher::new(client.clone(), MANAGER),
            mapper: Mapper::new(client.clone()),
            client,
            informers: Mutex::new(HashMap::new()),
            listeners: Arc::clone(&self.listeners),
            shutdown: self.shutdown.child_token(),
        });
        if let Some(old) = members.insert(name.to_owned(), Entry { made_from, member: Arc::clone(&member) }) {
            old.member.shutdown.cancel();
        }
        Ok(member)
    }

    /// Disconnects a member: its Cluster is gone, or its Secret changed. The next [`member`](Self::member) connects anew.
    pub async fn forget(&self, name: &str) {
        if let Some(entry) = self.members.lock().await.remove(name) {
            entry.member.shutdown.cancel();
        }
    }
}

/// The fields of a Cluster that its client is made from.
#[derive(Clone, PartialEq)]
struct Connection {
    uid: Option<String>,
    endpoint: String,
    secret: Option<(String, String)>,
    insecure: bool,
    proxy: String,
}

impl Connection {
    fn of(cluster: &Cluster) -> Self {
        let spec = &cluster.spec;
        Self {
            uid: cluster.metadata.uid.clone(),
            endpoint: spec.api_endpoint.clone(),
            secret: spec.secret_ref.as_ref().map(|s| (s.namespace.clone(), s.name.clone())),
            insecure: spec.insecure_skip_tls_verification,
            proxy: spec.proxy_url.clone(),
        }
    }
}
