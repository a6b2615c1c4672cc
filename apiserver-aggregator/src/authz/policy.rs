//! The roles and bindings that every server starts with: Kubernetes' and Karmada's.
//!
//! The tables are written in a short form: a rule is `verbs | groups | resources [| names]`, or `verbs @ paths` for
//! paths that are no resources; lists are separated by blanks, and `-` is the core group.

use serde_json::{Value, json};

use super::rule::Rule;

/// Marks what the server itself keeps.
pub const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";
/// Set to `false` on a role or binding, the server leaves it alone.
pub const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const GROUP: &str = "rbac.authorization.k8s.io";
const READ: &str = "get list watch";
const READ_WRITE: &str = "get list watch create delete deletecollection patch update";
const WRITE: &str = "create delete deletecollection patch update";

/// Which of the defaults a server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of Kubernetes' that concern an API server with agents, and Karmada's.
    ControlPlane,
    /// What users and member controllers of a simulated member need; small, because there may be thousands.
    Member,
}

/// A role to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultRole {
    /// Namespace; empty for a cluster role.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Rules; empty if they are aggregated.
    pub rules: Vec<Rule>,
    /// Labels besides the bootstrapping mark.
    pub labels: Vec<(String, String)>,
    /// Labels whose bearers' rules are aggregated into this role.
    pub aggregate: Vec<String>,
}

/// A binding to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultBinding {
    /// Namespace; empty for a cluster role binding.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kind of the role.
    pub role_kind: &'static str,
    /// Name of the role.
    pub role: String,
    /// Kind, namespace and name of the subjects.
    pub subjects: Vec<(&'static str, String, String)>,
}

impl DefaultRole {
    /// As an object.
    pub fn to_value(&self) -> Value {
        let mut metadata = metadata(&self.namespace, &self.name);
        for (key, value) in &self.labels {
            metadata["labels"][key] = value.clone().into();
        }
        let kind = if self.namespace.is_empty() { "ClusterRole" } else { "Role" };
        let mut object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata});
        if self.aggregate.is_empty() {
            object["rules"] = json!(self.rules);
        } else {
            let selectors: Vec<Value> = self.aggregate.iter().map(|l| json!({"matchLabels": {l: "true"}})).collect();
            object["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        }
        object
    }
}

impl DefaultBinding {
    /// As an object.
    pub fn to_value(&self) -> Value {
        let subjects: Vec<Value> = self
            .subjects
            .iter()
            .map(|(kind, namespace, name)| match *kind {
                "ServiceAccount" => json!({"kind": kind, "name": name, "namespace": namespace}),
                _ => json!({"kind": kind, "name": name, "apiGroup": GROUP}),
            })
            .collect();
        let kind = if self.namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
        json!({
            "apiVersion": format!("{GROUP}/v1"),
            "kind": kind,
            "metadata": metadata(&self.namespace, &self.name),
            "roleRef": {"apiGroup": GROUP, "kind": self.role_kind, "name": self.role},
            "subjects": subjects,
        })
    }
}

fn metadata(namespace: &str, name: &str) -> Value {
    let mut metadata = json!({
        "name": name,
        "labels": {BOOTSTRAPPING: "rbac-defaults"},
        "annotations": {AUTOUPDATE: "true"},
    });
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(|word| if word == "-" { String::new() } else { word.to_owned() }).collect()
}

fn rule(line: &str) -> Rule {
    if let Some((verbs, paths)) = line.split_once('@') {
        return Rule { verbs: words(verbs), non_resource_urls: words(paths), ..Rule::default() };
    }
    let mut parts = line.split('|').map(words);
    Rule {
        verbs: parts.next().unwrap_or_default(),
        api_groups: parts.next().unwrap_or_default(),
        resources: parts.next().unwrap_or_default(),
        resource_names: parts.next().unwrap_or_default(),
        non_resource_urls: Vec::new(),
    }
}

fn cluster_role(name: &str, lines: &[&str]) -> DefaultRole {
    DefaultRole {
        namespace: String::new(),
        name: name.to_owned(),
        rules: lines.iter().map(|line| rule(line)).collect(),
        labels: Vec::new(),
        aggregate: Vec::new(),
    }
}

fn aggregated(name: &str, from: &[&str], into: &[&str]) -> DefaultRole {
    let label = |to: &&str| format!("rbac.authorization.k8s.io/aggregate-to-{to}");
    DefaultRole {
        labels: into.iter().map(|to| (label(to), "true".to_owned())).collect(),
        aggregate: from.iter().map(label).collect(),
        ..cluster_role(name, &[])
    }
}

fn aggregate_to(target: &str, name: &str, lines: &[&str]) -> DefaultRole {
    DefaultRole {
        labels: vec![(format!("rbac.authorization.k8s.io/aggregate-to-{target}"), "true".to_owned())],
        ..cluster_role(name, lines)
    }
}

fn role(namespace: &str, name: &str, lines: &[&str]) -> DefaultRole {
    DefaultRole { namespace: namespace.to_owned(), ..cluster_role(name, lines) }
}

/// The resources that namespace users work with, as (group, resources).
const NAMESPACE_RESOURCES: &[(&str, &str)] = &[
    (
        "-",
        "configmaps endpoints events persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers \
         replicationcontrollers/scale serviceaccounts services services/status bindings limitranges namespaces/status \
         pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status namespaces",
    ),
    ("discovery.k8s.io", "endpointslices"),
    (
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets \
         replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    ("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    ("batch", "cronjobs cronjobs/status jobs jobs/status"),
    ("policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    ("networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    ("resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
];

fn view_lines() -> Vec<String> {
    NAMESPACE_RESOURCES.iter().map(|(group, resources)| format!("{READ} | {group} | {resources}")).collect()
}

fn edit_lines() -> Vec<String> {
    [
        "get list watch | - | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy".to_owned(),
        "impersonate | - | serviceaccounts".to_owned(),
        format!("{WRITE} | - | pods pods/attach pods/exec pods/portforward pods/proxy"),
        "create | - | pods/eviction".to_owned(),
        format!(
            "{WRITE} | - | configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale \
             secrets serviceaccounts services services/proxy"
        ),
        "create | - | serviceaccounts/token".to_owned(),
        format!(
            "{WRITE} | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale \
             statefulsets statefulsets/scale"
        ),
        format!("{WRITE} | autoscaling | horizontalpodautoscalers"),
        format!("{WRITE} | batch | cronjobs jobs"),
        format!("{WRITE} | policy | poddisruptionbudgets"),
        format!("{WRITE} | networking.k8s.io | ingresses networkpolicies"),
        format!("{READ_WRITE} | coordination.k8s.io | leases"),
        format!("{WRITE} | resource.k8s.io | resourceclaims resourceclaimtemplates"),
    ]
    .into()
}

const DISCOVERY_PATHS: &str =
    "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/";
const PUBLIC_PATHS: &str = "/healthz /livez /readyz /version /version/";

/// The roles to be there.
pub fn roles(extent: Extent) -> Vec<DefaultRole> {
    let view: Vec<String> = view_lines();
    let edit: Vec<String> = edit_lines();
    let lines = |owned: &[String]| owned.iter().map(|line| rule(line)).collect::<Vec<_>>();
    let discovery = format!("get @ {DISCOVERY_PATHS}");
    let public = format!("get @ {PUBLIC_PATHS}");
    let mut roles = vec![
        cluster_role("cluster-admin", &["* | * | *", "* @ *"]),
        cluster_role("system:discovery", &[&discovery]),
        cluster_role(
            "system:basic-user",
            &[
                "create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews",
                "create | authentication.k8s.io | selfsubjectreviews",
            ],
        ),
        cluster_role("system:public-info-viewer", &[&public]),
        aggregated("admin", &["admin"], &[]),
        aggregated("edit", &["edit"], &["admin"]),
        aggregated("view", &["view"], &["edit"]),
        aggregate_to(
            "admin",
            "system:aggregate-to-admin",
            &[
                "create | authorization.k8s.io | localsubjectaccessreviews",
                &format!("{READ_WRITE} | {GROUP} | rolebindings roles"),
            ],
        ),
        DefaultRole { rules: lines(&edit), ..aggregate_to("edit", "system:aggregate-to-edit", &[]) },
        DefaultRole { rules: lines(&view), ..aggregate_to("view", "system:aggregate-to-view", &[]) },
    ];
    if extent == Extent::ControlPlane {
        roles.extend(control_plane_roles());
    }
    roles
}

fn control_plane_roles() -> Vec<DefaultRole> {
    let csr = "certificates.k8s.io";
    let mut roles = vec![
        cluster_role(
            "system:monitoring",
            &["get @ /metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*"],
        ),
        cluster_role(
            "system:auth-delegator",
            &["create | authentication.k8s.io | tokenreviews", "create | authorization.k8s.io | subjectaccessreviews"],
        ),
        cluster_role("system:kube-aggregator", &["get list watch | - | endpoints services"]),
        cluster_role(
            "system:node-bootstrapper",
            &["create get list watch | certificates.k8s.io | certificatesigningrequests"],
        ),
        cluster_role(
            "system:node-problem-detector",
            &["get | - | nodes", "patch | - | nodes/status", "create patch update | - events.k8s.io | events"],
        ),
        cluster_role(
            "system:persistent-volume-provisioner",
            &[
                "get list watch create delete | - | persistentvolumes",
                "get list watch update | - | persistentvolumeclaims",
                "get list watch | storage.k8s.io | storageclasses",
                "watch | - | events",
                "create patch update | - events.k8s.io | events",
            ],
        ),
        cluster_role(
            "system:service-account-issuer-discovery",
            &[
                "get @ /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
            ],
        ),
        cluster_role(
            "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
            &["create | certificates.k8s.io | certificatesigningrequests/nodeclient"],
        ),
        cluster_role(
            "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
            &["create | certificates.k8s.io | certificatesigningrequests/selfnodeclient"],
        ),
        cluster_role(
            "system:heapster",
            &["get list watch | - | events namespaces nodes pods", "get list watch | extensions | deployments"],
        ),
        cluster_role(
            "system:kubelet-api-admin",
            &[
                "get list watch | - | nodes",
                "proxy | - | nodes",
                "* | - | nodes/log nodes/metrics nodes/proxy nodes/stats",
            ],
        ),
        cluster_role("system:kube-dns", &["list watch | - | endpoints services"]),
        role(
            "kube-system",
            "extension-apiserver-authentication-reader",
            &["get list watch | - | configmaps | extension-apiserver-authentication"],
        ),
        role(
            "kube-system",
            "system::leader-locking-kube-controller-manager",
            &["watch | - | configmaps", "get update | - | configmaps | kube-controller-manager"],
        ),
        role("kube-system", "system:controller:bootstrap-signer", &["get list watch | - | secrets"]),
        role(
            "kube-system",
            "system:controller:token-cleaner",
            &["delete get list watch | - | secrets", "create patch update | - events.k8s.io | events"],
        ),
        role(
            "kube-public",
            "system:controller:bootstrap-signer",
            &[
                "get list watch | - | configmaps",
                "update | - | configmaps | cluster-info",
                "create patch update | - events.k8s.io | events",
            ],
        ),
        // The user that kubeadm and karmadactl join with reads the cluster's address and authority before it has an
        // identity.
        role("kube-public", "kubeadm:bootstrap-signer-clusterinfo", &["get | - | configmaps | cluster-info"]),
    ];
    for (short, signer) in [
        ("kube-apiserver-client-approver", "kubernetes.io/kube-apiserver-client"),
        ("kube-apiserver-client-kubelet-approver", "kubernetes.io/kube-apiserver-client-kubelet"),
        ("kubelet-serving-approver", "kubernetes.io/kubelet-serving"),
        ("legacy-unknown-approver", "kubernetes.io/legacy-unknown"),
    ] {
        roles.push(cluster_role(
            &format!("system:certificates.k8s.io:{short}"),
            &[&format!("approve | {csr} | signers | {signer}")],
        ));
    }
    roles.extend(karmada_roles());
    roles
}

/// The groups of Karmada's own kinds that namespace users work with.
const KARMADA_NAMESPACED: &[(&str, &str)] = &[
    ("autoscaling.karmada.io", "cronfederatedhpas cronfederatedhpas/status federatedhpas federatedhpas/status"),
    ("multicluster.x-k8s.io", "serviceexports serviceexports/status serviceimports serviceimports/status"),
    (
        "networking.karmada.io",
        "multiclusteringresses multiclusteringresses/status multiclusterservices multiclusterservices/status",
    ),
    (
        "policy.karmada.io",
        "overridepolicies propagationpolicies federatedresourcequotas federatedresourcequotas/status",
    ),
    ("work.karmada.io", "resourcebindings resourcebindings/status works works/status"),
];

fn karmada_roles() -> Vec<DefaultRole> {
    let lines = |verbs: &str| -> Vec<Rule> {
        KARMADA_NAMESPACED.iter().map(|(group, kinds)| rule(&format!("{verbs} | {group} | {kinds}"))).collect()
    };
    vec![
        DefaultRole { rules: lines(READ), ..aggregate_to("view", "karmada-view", &[]) },
        DefaultRole { rules: lines(READ_WRITE), ..aggregate_to("edit", "karmada-edit", &[]) },
        cluster_role("cluster-proxy-admin", &["* | cluster.karmada.io | clusters/proxy"]),
        cluster_role(
            "system:karmada:certificatesigningrequest:autoapprover",
            &["create | certificates.k8s.io | certificatesigningrequests/clusteragent"],
        ),
        cluster_role(
            "system:karmada:certificatesigningrequest:selfautoapprover",
            &["create | certificates.k8s.io | certificatesigningrequests/selfclusteragent"],
        ),
        cluster_role("system:karmada:agent-rbac-generator", &["* | * | *"]),
    ]
}

fn bind(name: &str, role: &str, subjects: &[(&'static str, &str)]) -> DefaultBinding {
    bind_in("", name, "ClusterRole", role, subjects)
}

fn bind_in(
    namespace: &str,
    name: &str,
    role_kind: &'static str,
    role: &str,
    subjects: &[(&'static str, &str)],
) -> DefaultBinding {
    let subject = |(kind, name): &(&'static str, &str)| match name.split_once('/') {
        Some((namespace, name)) if *kind == "ServiceAccount" => (*kind, namespace.to_owned(), name.to_owned()),
        _ => (*kind, String::new(), (*name).to_owned()),
    };
    DefaultBinding {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        role_kind,
        role: role.to_owned(),
        subjects: subjects.iter().map(subject).collect(),
    }
}

/// The bindings to be there.
pub fn bindings(extent: Extent) -> Vec<DefaultBinding> {
    let authenticated = ("Group", "system:authenticated");
    let mut bindings = vec![
        bind("cluster-admin", "cluster-admin", &[("Group", "system:masters")]),
        bind("system:discovery", "system:discovery", &[authenticated]),
        bind("system:basic-user", "system:basic-user", &[authenticated]),
        bind(
            "system:public-info-viewer",
            "system:public-info-viewer",
            &[authenticated, ("Group", "system:unauthenticated")],
        ),
    ];
    if extent == Extent::Member {
        return bindings;
    }
    let karmada_agents = ("Group", "system:karmada:agents");
    let bootstrappers = ("Group", "system:bootstrappers:karmada:default-cluster-token");
    bindings.extend([
        bind("system:monitoring", "system:monitoring", &[("Group", "system:monitoring")]),
        bind(
            "system:service-account-issuer-discovery",
            "system:service-account-issuer-discovery",
            &[("Group", "system:serviceaccounts")],
        ),
        bind_in(
            "kube-system",
            "system:extension-apiserver-authentication-reader",
            "Role",
            "extension-apiserver-authentication-reader",
            &[("User", "system:kube-controller-manager"), ("User", "system:kube-scheduler")],
        ),
        bind_in(
            "kube-system",
            "system:controller:bootstrap-signer",
            "Role",
            "system:controller:bootstrap-signer",
            &[("ServiceAccount", "kube-system/bootstrap-signer")],
        ),
        bind_in(
            "kube-system",
            "system:controller:token-cleaner",
            "Role",
            "system:controller:token-cleaner",
            &[("ServiceAccount", "kube-system/token-cleaner")],
        ),
        bind_in(
            "kube-public",
            "system:controller:bootstrap-signer",
            "Role",
            "system:controller:bootstrap-signer",
            &[("ServiceAccount", "kube-system/bootstrap-signer")],
        ),
        bind_in(
            "kube-public",
            "kubeadm:bootstrap-signer-clusterinfo",
            "Role",
            "kubeadm:bootstrap-signer-clusterinfo",
            &[("User", "system:anonymous")],
        ),
        bind("cluster-proxy-admin", "cluster-proxy-admin", &[("User", "system:admin")]),
        bind("system:karmada:agent-bootstrap", "system:node-bootstrapper", &[bootstrappers]),
        bind(
            "system:karmada:agent-autoapprove-bootstrap",
            "system:karmada:certificatesigningrequest:autoapprover",
            &[bootstrappers],
        ),
        bind(
            "system:karmada:agent-autoapprove-certificate-rotation",
            "system:karmada:certificatesigningrequest:selfautoapprover",
            &[karmada_agents],
        ),
        bind(
            "system:karmada:agent-rbac-generator",
            "system:karmada:agent-rbac-generator",
            &[("User", "system:karmada:agent:rbac-generator")],
        ),
    ]);
    bindings
}
