//! What all controllers of the control plane share: caches, queues, writers, options.

use std::collections::HashMap;
use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_api::features::FeatureGates;
use karmada_api::labels;
use karmada_api::policy::{self, ClusterPropagationPolicy, PropagationPolicy};
use karmada_api::work::v1alpha1::Work;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_fleet::Fleet;
use karmada_interpreter::Interpreter;
use karmada_propagation::overrides::{OverrideIndex, OverridePolicy};
use karmada_propagation::policy::{PolicyIndex, WaitingTemplates};
use karmada_runtime::events::Recorder;
use karmada_runtime::queue::Backoff;
use karmada_runtime::{Informer, InformerSpec, Mapper, ObjectKey, Patcher, Queue, Resource};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::detector::Cause;
use crate::kinds::Binding;
use crate::templates::{Skipped, TemplateKey, Templates};

/// What flags say; the defaults are Karmada's.
#[derive(Clone, Debug)]
pub struct Options {
    /// Feature gates.
    pub gates: FeatureGates,
    /// What is not propagated.
    pub skipped: Skipped,
    /// `--concurrent-resource-template-syncs`.
    pub concurrent_templates: usize,
    /// `--concurrent-propagation-policy-syncs`, `--concurrent-cluster-propagation-policy-syncs`.
    pub concurrent_policies: usize,
    /// `--concurrent-resourcebinding-syncs`, `--concurrent-clusterresourcebinding-syncs`.
    pub concurrent_bindings: usize,
    /// `--concurrent-cluster-syncs`.
    pub concurrent_clusters: usize,
    /// `--concurrent-dependent-resource-syncs`.
    pub concurrent_dependencies: usize,
    /// `--concurrent-namespace-syncs`.
    pub concurrent_namespaces: usize,
    /// `--cluster-monitor-period`.
    pub monitor_period: std::time::Duration,
    /// `--cluster-monitor-grace-period`.
    pub monitor_grace_period: std::time::Duration,
    /// `--cluster-startup-grace-period`.
    pub startup_grace_period: std::time::Duration,
    /// `--enable-taint-manager`.
    pub enable_taint_manager: bool,
    /// `--enable-no-execute-taint-eviction`.
    pub enable_no_execute_taint_eviction: bool,
    /// `--no-execute-taint-eviction-purge-mode`.
    pub no_execute_purge_mode: policy::PurgeMode,
    /// `--resource-eviction-rate`: evictions a second.
    pub resource_eviction_rate: f32,
    /// `--graceful-eviction-timeout`.
    pub graceful_eviction_timeout: std::time::Duration,
    /// `--federated-resource-quota-sync-period`.
    pub quota_sync_period: std::time::Duration,
    /// `--rate-limiter-base-delay` and `--rate-limiter-max-delay`.
    pub backoff: Backoff,
}

/// Queues of the controllers.
pub struct Queues {
    pub(crate) templates: Queue<TemplateKey>,
    pub(crate) policies: Queue<ObjectKey>,
    pub(crate) cluster_policies: Queue<ObjectKey>,
    pub(crate) bindings: Queue<ObjectKey>,
    pub(crate) cluster_bindings: Queue<ObjectKey>,
    pub(crate) binding_status: Queue<ObjectKey>,
    pub(crate) cluster_binding_status: Queue<ObjectKey>,
    pub(crate) dependencies: Queue<ObjectKey>,
    pub(crate) clusters: Queue<ObjectKey>,
    pub(crate) namespaces: Queue<ObjectKey>,
    pub(crate) impersonation: Queue<ObjectKey>,
}

/// Shared state of the controllers of one control plane.
pub struct Context {
    /// Reads and writes of the control plane.
    pub control: Patcher,
    /// The control plane's discovery.
    pub mapper: Arc<Mapper>,
    /// Events.
    pub recorder: Recorder,
    /// The resource interpreter.
    pub interpreter: Interpreter,
    /// The members.
    pub fleet: Arc<Fleet>,
    /// What flags say.
    pub options: Options,
    /// All Clusters.
    pub clusters: Arc<Informer<Cluster>>,
    /// All Works.
    pub works: Arc<Informer<Work>>,
    /// All ResourceBindings.
    pub bindings: Arc<Informer<ResourceBinding>>,
    /// All ClusterResourceBindings.
    pub cluster_bindings: Arc<Informer<ClusterResourceBinding>>,
    /// All PropagationPolicies.
    pub policies: Arc<Informer<PropagationPolicy>>,
    /// All ClusterPropagationPolicies.
    pub cluster_policies: Arc<Informer<ClusterPropagationPolicy>>,
    /// All OverridePolicies.
    pub override_policies: Arc<Informer<OverridePolicy>>,
    /// All ClusterOverridePolicies.
    pub cluster_override_policies: Arc<Informer<OverridePolicy>>,
    /// All Namespaces of the control plane.
    pub namespaces: Arc<Informer<Value>>,
    /// All templates.
    pub templates: Arc<Templates>,
    pub(crate) policy_index: RwLock<PolicyIndex<PropagationPolicy>>,
    pub(crate) cluster_policy_index: RwLock<PolicyIndex<ClusterPropagationPolicy>>,
    pub(crate) override_index: RwLock<OverrideIndex>,
    pub(crate) waiting: Mutex<WaitingTemplates>,
    /// Why a template is queued.
    pub(crate) causes: Mutex<HashMap<TemplateKey, Cause>>,
    pub(crate) queues: Queues,
}

impl Context {
    /// Caches that are empty until [`start_caches`](Self::start_caches).
    pub fn new(
        control: Patcher,
        recorder: Recorder,
        interpreter: Interpreter,
        fleet: Arc<Fleet>,
        works: Arc<Informer<Work>>,
        options: Options,
    ) -> Arc<Self> {
        let client = control.client().clone();
        let mapper = Arc::new(Mapper::new(client.clone()));
        let templates = Templates::new(client.clone(), Arc::clone(&mapper), options.skipped.clone());
        let namespace = Resource {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            plural: "namespaces".to_owned(),
            namespaced: false,
        };
        let backoff = options.backoff;
        let queue = |name: &str| Queue::new(name, backoff);
        let ctx = Arc::new(Self {
            clusters: Arc::clone(fleet.clusters()),
            works,
            bindings: Informer::typed(client.clone()),
            cluster_bindings: Informer::typed(client.clone()),
            policies: Informer::typed(client.clone()),
            cluster_policies: Informer::typed(client.clone()),
            override_policies: override_informer(&client, Resource::of::<policy::OverridePolicy>()),
            cluster_override_policies: override_informer(&client, Resource::of::<policy::ClusterOverridePolicy>()),
            namespaces: Informer::values(client, InformerSpec::all(namespace)),
            templates,
            policy_index: RwLock::default(),
            cluster_policy_index: RwLock::default(),
            override_index: RwLock::default(),
            waiting: Mutex::default(),
            causes: Mutex::default(),
            queues: Queues {
                templates: Queue::new("resource-detector", backoff),
                policies: queue("propagation-policy-detector"),
                cluster_policies: queue("cluster-propagation-policy-detector"),
                bindings: queue("binding-controller"),
                cluster_bindings: queue("cluster-resource-binding-controller"),
                binding_status: queue("resource-binding-status-controller"),
                cluster_binding_status: queue("cluster-resource-binding-status-controller"),
                dependencies: queue("dependencies-distributor"),
                clusters: queue("cluster-controller"),
                namespaces: queue("namespace-sync-controller"),
                impersonation: queue("unified-auth-controller"),
            },
            control,
            mapper,
            recorder,
            interpreter,
            fleet,
            options,
        });
        index_bindings(&ctx.bindings);
        index_bindings(&ctx.cluster_bindings);
        index_works::<ResourceBinding>(&ctx.works);
        index_works::<ClusterResourceBinding>(&ctx.works);
        ctx
    }

    /// Runs the caches until `shutdown`. The Works, Clusters and the fleet are run by whoever made them.
    pub fn start_caches(self: &Arc<Self>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
        macro_rules! run {
            ($($informer:ident),*) => {$({
                let (informer, shutdown) = (Arc::clone(&self.$informer), shutdown.clone());
                tasks.spawn(async move { informer.run(shutdown).await });
            })*};
        }
        run!(
            bindings,
            cluster_bindings,
            policies,
            cluster_policies,
            override_policies,
            cluster_override_policies,
            namespaces
        );
        tasks.spawn(Arc::clone(&self.templates).run(shutdown.clone()));
    }

    /// Waits until every cache has its first list.
    pub async fn wait_synced(&self) {
        self.clusters.wait_synced().await;
        self.works.wait_synced().await;
        self.bindings.wait_synced().await;
        self.cluster_bindings.wait_synced().await;
        self.policies.wait_synced().await;
        self.cluster_policies.wait_synced().await;
        self.override_policies.wait_synced().await;
        self.cluster_override_policies.wait_synced().await;
        self.namespaces.wait_synced().await;
        self.templates.wait_synced().await;
    }

    /// The Works of a binding, by its permanent id.
    pub(crate) fn works_of<B: Binding>(&self, binding: &B) -> Vec<Arc<Work>> {
        match binding.permanent_id() {
            Some(id) => self.works.by_index(B::WORK_INDEX, id).into_iter().map(|(_, work)| work).collect(),
            None => Vec::new(),
        }
    }

    /// The template of a binding: from the caches, or from the server if its kind is not watched.
    pub(crate) async fn template_of<B: Binding>(
        &self,
        binding: &B,
    ) -> Result<Option<Arc<Value>>, karmada_runtime::Error> {
        let reference = &binding.spec().resource;
        let key = TemplateKey {
            api_version: Arc::from(reference.api_version.as_str()),
            kind: Arc::from(reference.kind.as_str()),
            key: ObjectKey::new(&reference.namespace, &reference.name),
        };
        if self.templates.informer(&reference.api_version, &reference.kind).is_some_and(|i| i.is_synced()) {
            return Ok(self.templates.get(&key));
        }
        let resource = match self.mapper.resource(&reference.api_version, &reference.kind).await {
            Ok(resource) => resource,
            // The kind is gone, and its objects with it.
            Err(karmada_runtime::Error::UnknownKind { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(self.control.get(&resource, &reference.namespace, &reference.name).await?.map(Arc::new))
    }
}

fn override_informer(client: &kube::Client, resource: Resource) -> Arc<Informer<OverridePolicy>> {
    Informer::new(client.clone(), InformerSpec::all(resource), |text| {
        OverridePolicy::from_value(&serde_json::from_str(text)?)
    })
}

fn index_bindings<B: Binding>(bindings: &Informer<B>) {
    bindings.add_index(BY_POLICY, |_, binding| {
        let labels = binding.meta().labels.as_ref();
        [labels::PROPAGATION_POLICY_PERMANENT_ID, labels::CLUSTER_PROPAGATION_POLICY_PERMANENT_ID]
            .into_iter()
            .filter_map(|key| labels.and_then(|l| l.get(key)).cloned())
            .collect()
    });
    bindings.add_index(BY_CLUSTER, |_, binding| {
        karmada_propagation::work::expected_clusters(binding.spec()).into_iter().collect()
    });
}

/// The index of bindings by the permanent id of their policy.
pub(crate) const BY_POLICY: &str = "policy";
/// The index of bindings by the clusters in which their Works may stand.
pub(crate) const BY_CLUSTER: &str = "cluster";

fn index_works<B: Binding>(works: &Informer<Work>) {
    works.add_index(B::WORK_INDEX, |_, work: &Work| {
        work.metadata.labels.as_ref().and_then(|l| l.get(B::PERMANENT_ID_LABEL)).cloned().into_iter().collect()
    });
}
