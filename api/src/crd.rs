//! Every kind with its names, versions, schema and table columns: what CRDs are generated from and what our own API
//! server serves as built-in kinds.

use serde_json::{Map, Value, json};

use crate::schema::Schema;
use crate::{apps, autoscaling, cluster, config, multicluster, networking, operator, policy, remedy, search, work};

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They belong to the whole cluster.
    Cluster,
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq)]
pub struct Crd {
    /// API group.
    pub group: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural resource name.
    pub plural: &'static str,
    /// Singular resource name.
    pub singular: String,
    /// Short resource names.
    pub short_names: Vec<&'static str>,
    /// Groups of kinds that it is part of, such as `kubectl get karmada-io`.
    pub categories: Vec<&'static str>,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// Whether it is served by an API server of Karmada's instead of a CRD.
    pub aggregated: bool,
    /// Its versions; exactly one of them is stored.
    pub versions: Vec<CrdVersion>,
}

/// One version of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct CrdVersion {
    /// Name of the version.
    pub name: &'static str,
    /// Whether clients can use it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// The OpenAPI v3 schema of its objects.
    pub schema: Value,
    /// Whether the status is written separately.
    pub status_subresource: bool,
    /// The paths of the scale subresource, if it has one.
    pub scale: Option<ScalePaths>,
    /// What `kubectl get` prints besides the name.
    pub printer_columns: Vec<PrinterColumn>,
}

/// JSON paths of a scale subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// Path to the desired number of replicas.
    pub spec_replicas: &'static str,
    /// Path to the observed number of replicas.
    pub status_replicas: &'static str,
    /// Path to the label selector, as a string.
    pub label_selector: Option<&'static str>,
}

/// A column of `kubectl get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrinterColumn {
    /// Heading.
    pub name: &'static str,
    /// Type of the value.
    pub column_type: &'static str,
    /// JSON path to the value.
    pub json_path: &'static str,
    /// 0 is always shown, larger values with `-o wide` only.
    pub priority: i32,
}

const AGE: PrinterColumn = column("AGE", "date", ".metadata.creationTimestamp");

const fn column(name: &'static str, column_type: &'static str, json_path: &'static str) -> PrinterColumn {
    PrinterColumn { name, column_type, json_path, priority: 0 }
}

const fn wide(name: &'static str, json_path: &'static str) -> PrinterColumn {
    PrinterColumn { name, column_type: "string", json_path, priority: 1 }
}

/// A kind that is stored in the version of its Rust type.
fn kind<T: Schema + k8s_openapi::Resource>(scope: Scope, status: bool, columns: &[PrinterColumn]) -> Crd {
    Crd {
        group: T::GROUP,
        kind: T::KIND,
        plural: T::URL_PATH_SEGMENT,
        singular: T::KIND.to_lowercase(),
        short_names: vec![],
        categories: vec!["karmada-io"],
        scope,
        aggregated: false,
        versions: vec![CrdVersion {
            name: T::VERSION,
            served: true,
            storage: true,
            schema: T::schema().build(),
            status_subresource: status,
            scale: None,
            printer_columns: columns.to_vec(),
        }],
    }
}

impl Crd {
    fn short(mut self, name: &'static str) -> Self {
        self.short_names.push(name);
        self
    }

    fn uncategorized(mut self) -> Self {
        self.categories.clear();
        self
    }

    fn aggregated(mut self) -> Self {
        self.aggregated = true;
        self
    }

    /// Adds an older version that is served but not stored.
    fn older<T: Schema + k8s_openapi::Resource>(mut self) -> Self {
        let mut version = self.versions[0].clone();
        version.name = T::VERSION;
        version.storage = false;
        version.schema = T::schema().build();
        version.printer_columns.clear();
        self.versions.insert(0, version);
        self
    }

    /// The name of a list of such objects.
    #[must_use]
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// The version that objects are stored in.
    #[must_use]
    pub fn storage_version(&self) -> &CrdVersion {
        self.versions.iter().find(|v| v.storage).unwrap_or(&self.versions[0])
    }

    /// The name of the CustomResourceDefinition.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// The CustomResourceDefinition for an upstream kube-apiserver.
    #[must_use]
    pub fn manifest(&self) -> Value {
        let mut names = Map::new();
        if !self.categories.is_empty() {
            names.insert("categories".to_owned(), json!(self.categories));
        }
        names.insert("kind".to_owned(), json!(self.kind));
        names.insert("listKind".to_owned(), json!(self.list_kind()));
        names.insert("plural".to_owned(), json!(self.plural));
        if !self.short_names.is_empty() {
            names.insert("shortNames".to_owned(), json!(self.short_names));
        }
        names.insert("singular".to_owned(), json!(self.singular));
        let scope = match self.scope {
            Scope::Namespaced => "Namespaced",
            Scope::Cluster => "Cluster",
        };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.name()},
            "spec": {
                "group": self.group,
                "names": names,
                "scope": scope,
                "versions": self.versions.iter().map(CrdVersion::manifest).collect::<Vec<_>>(),
            },
        })
    }
}

impl CrdVersion {
    fn manifest(&self) -> Value {
        let mut version = json!({
            "name": self.name,
            "served": self.served,
            "storage": self.storage,
            "schema": {"openAPIV3Schema": self.schema},
        });
        let Value::Object(map) = &mut version else { return version };
        if !self.printer_columns.is_empty() {
            let columns: Vec<Value> = self.printer_columns.iter().map(PrinterColumn::manifest).collect();
            map.insert("additionalPrinterColumns".to_owned(), columns.into());
        }
        let mut subresources = Map::new();
        if self.status_subresource {
            subresources.insert("status".to_owned(), json!({}));
        }
        if let Some(scale) = &self.scale {
            let mut paths = json!({
                "specReplicasPath": scale.spec_replicas,
                "statusReplicasPath": scale.status_replicas,
            });
            if let (Some(selector), Value::Object(paths)) = (scale.label_selector, &mut paths) {
                paths.insert("labelSelectorPath".to_owned(), selector.into());
            }
            subresources.insert("scale".to_owned(), paths);
        }
        if !subresources.is_empty() {
            map.insert("subresources".to_owned(), Value::Object(subresources));
        }
        version
    }
}

impl PrinterColumn {
    fn manifest(&self) -> Value {
        let mut column = json!({"name": self.name, "type": self.column_type, "jsonPath": self.json_path});
        if let (true, Value::Object(map)) = (self.priority != 0, &mut column) {
            map.insert("priority".to_owned(), self.priority.into());
        }
        column
    }
}

/// Every kind that a control plane serves, in the order of group and kind.
#[must_use]
pub fn crds() -> Vec<Crd> {
    use Scope::{Cluster, Namespaced};
    let policy_columns = [
        column("CONFLICT-RESOLUTION", "string", ".spec.conflictResolution"),
        column("PRIORITY", "string", ".spec.priority"),
        AGE,
    ];
    let binding_columns = [
        column("SCHEDULED", "string", r#".status.conditions[?(@.type=="Scheduled")].status"#),
        column("FULLYAPPLIED", "string", r#".status.conditions[?(@.type=="FullyApplied")].status"#),
        AGE,
    ];
    let reference_columns = [
        column("REFERENCE-KIND", "string", ".spec.scaleTargetRef.kind"),
        column("REFERENCE-NAME", "string", ".spec.scaleTargetRef.name"),
    ];
    let cron_columns = [reference_columns[0], reference_columns[1], AGE];
    let hpa_columns = [
        reference_columns[0],
        reference_columns[1],
        column("MINPODS", "integer", ".spec.minReplicas"),
        column("MAXPODS", "integer", ".spec.maxReplicas"),
        column("REPLICAS", "integer", ".status.currentReplicas"),
        AGE,
    ];
    let work_columns = [
        column("WORKLOAD-KIND", "string", ".spec.workload.manifests[*].kind"),
        column("APPLIED", "string", r#".status.conditions[?(@.type=="Applied")].status"#),
        AGE,
    ];
    let customization_columns = [
        column("TARGET-API-VERSION", "string", ".spec.target.apiVersion"),
        column("TARGET-KIND", "string", ".spec.target.kind"),
        AGE,
    ];
    let quota_columns =
        [column("OVERALL", "string", ".status.overall"), column("OVERALL_USED", "string", ".status.overallUsed")];
    let import_columns = [
        column("Type", "string", ".spec.type"),
        column("IP", "string", ".spec.ips"),
        PrinterColumn { name: "Age", ..AGE },
    ];
    let export_columns = [PrinterColumn { name: "Age", ..AGE }];
    let cluster_columns = [
        column("VERSION", "string", ".status.kubernetesVersion"),
        column("MODE", "string", ".spec.syncMode"),
        column("READY", "string", r#".status.conditions[?(@.type=="Ready")].status"#),
        AGE,
        wide("ZONES", ".spec.zones"),
        wide("REGION", ".spec.region"),
        wide("PROVIDER", ".spec.provider"),
        wide("API-ENDPOINT", ".spec.apiEndpoint"),
        wide("PROXY-URL", ".spec.proxyURL"),
    ];
    vec![
        kind::<apps::WorkloadRebalancer>(Cluster, true, &[]).uncategorized(),
        kind::<autoscaling::CronFederatedHPA>(Namespaced, true, &cron_columns).short("cronfhpa"),
        kind::<autoscaling::FederatedHPA>(Namespaced, true, &hpa_columns).short("fhpa"),
        kind::<cluster::Cluster>(Cluster, true, &cluster_columns).uncategorized().aggregated(),
        kind::<config::ResourceInterpreterCustomization>(Cluster, false, &customization_columns).short("ric"),
        kind::<config::ResourceInterpreterWebhookConfiguration>(Cluster, false, &[]),
        kind::<multicluster::ServiceExport>(Namespaced, true, &export_columns).uncategorized().short("svcex"),
        kind::<multicluster::ServiceImport>(Namespaced, true, &import_columns).uncategorized().short("svcim"),
        kind::<networking::MultiClusterIngress>(Namespaced, true, &[]).short("mci"),
        kind::<networking::MultiClusterService>(Namespaced, true, &[]).short("mcs"),
        kind::<policy::ClusterOverridePolicy>(Cluster, false, &[]).short("cop"),
        kind::<policy::ClusterPropagationPolicy>(Cluster, false, &policy_columns).short("cpp"),
        kind::<policy::ClusterTaintPolicy>(Cluster, false, &[]).uncategorized(),
        kind::<policy::FederatedResourceQuota>(Namespaced, true, &quota_columns),
        kind::<policy::OverridePolicy>(Namespaced, false, &[]).short("op"),
        kind::<policy::PropagationPolicy>(Namespaced, false, &policy_columns).short("pp"),
        kind::<remedy::Remedy>(Cluster, false, &[]),
        kind::<search::ResourceRegistry>(Cluster, true, &[]).uncategorized().aggregated(),
        kind::<work::ClusterResourceBinding>(Cluster, true, &binding_columns)
            .short("crb")
            .older::<work::v1alpha1::ClusterResourceBinding>(),
        kind::<work::ResourceBinding>(Namespaced, true, &binding_columns)
            .short("rb")
            .older::<work::v1alpha1::ResourceBinding>(),
        kind::<work::Work>(Namespaced, true, &work_columns).short("wk"),
    ]
}

/// The kind with which the operator is told what to install; it is served by the host cluster.
#[must_use]
pub fn operator_crd() -> Crd {
    let ready = column("READY", "string", r#".status.conditions[?(@.type=="Ready")].status"#);
    kind::<operator::Karmada>(Scope::Namespaced, true, &[ready, AGE]).uncategorized()
}
