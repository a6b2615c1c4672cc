//! The built-in resources as discovery shows them, in the server's order: data only.

/// One resource of one version.
pub(super) struct Row {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
    pub(super) verbs: &'static [&'static str],
    pub(super) short_names: &'static [&'static str],
    pub(super) categories: &'static [&'static str],
    pub(super) subresources: &'static [Sub],
}

/// A subresource. An empty version means the kind's own group and version.
pub(super) struct Sub {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) verbs: &'static [&'static str],
}

const STANDARD: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS: &[&str] = &["get", "patch", "update"];
const CREATE: &[&str] = &["create"];
const CONNECT: &[&str] = &["create", "get"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

type Names = &'static [&'static str];

#[expect(clippy::too_many_arguments, reason = "a line of a table")]
const fn row(
    group: &'static str,
    version: &'static str,
    name: &'static str,
    singular: &'static str,
    kind: &'static str,
    namespaced: bool,
    verbs: Names,
    short_names: Names,
    categories: Names,
    subresources: &'static [Sub],
) -> Row {
    Row { group, version, name, singular, kind, namespaced, verbs, short_names, categories, subresources }
}

const fn sub(name: &'static str, group: &'static str, version: &'static str, kind: &'static str, verbs: Names) -> Sub {
    Sub { name, group, version, kind, verbs }
}

/// All built-in resources.
#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("", "v1", "bindings", "binding", "Binding", true, CREATE, &[], &[], &[]),
    row("", "v1", "componentstatuses", "componentstatus", "ComponentStatus", false, &["get", "list"], &["cs"], &[], &[]),
    row("", "v1", "configmaps", "configmap", "ConfigMap", true, STANDARD, &["cm"], &[], &[]),
    row("", "v1", "endpoints", "endpoints", "Endpoints", true, STANDARD, &["ep"], &[], &[]),
    row("", "v1", "events", "event", "Event", true, STANDARD, &["ev"], &[], &[]),
    row("", "v1", "limitranges", "limitrange", "LimitRange", true, STANDARD, &["limits"], &[], &[]),
    row("", "v1", "namespaces", "namespace", "Namespace", false, &["create", "delete", "get", "list", "patch", "update", "watch"], &["ns"], &[], &[
        sub("finalize", "", "", "Namespace", &["update"]),
        sub("status", "", "", "Namespace", STATUS),
    ]),
    row("", "v1", "nodes", "node", "Node", false, STANDARD, &["no"], &[], &[
        sub("proxy", "", "", "NodeProxyOptions", PROXY),
        sub("status", "", "", "Node", STATUS),
    ]),
    row("", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", true, STANDARD, &["pvc"], &[], &[
        sub("status", "", "", "PersistentVolumeClaim", STATUS),
    ]),
    row("", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume", false, STANDARD, &["pv"], &[], &[
        sub("status", "", "", "PersistentVolume", STATUS),
    ]),
    row("", "v1", "pods", "pod", "Pod", true, STANDARD, &["po"], &["all"], &[
        sub("attach", "", "", "PodAttachOptions", CONNECT),
        sub("binding", "", "", "Binding", CREATE),
        sub("ephemeralcontainers", "", "", "Pod", STATUS),
        sub("eviction", "policy", "v1", "Eviction", CREATE),
        sub("exec", "", "", "PodExecOptions", CONNECT),
        sub("log", "", "", "Pod", &["get"]),
        sub("portforward", "", "", "PodPortForwardOptions", CONNECT),
        sub("proxy", "", "", "PodProxyOptions", PROXY),
        sub("resize", "", "", "Pod", STATUS),
        sub("status", "", "", "Pod", STATUS),
    ]),
    row("", "v1", "podtemplates", "podtemplate", "PodTemplate", true, STANDARD, &[], &[], &[]),
    row("", "v1", "replicationcontrollers", "replicationcontroller", "ReplicationController", true, STANDARD, &["rc"], &["all"], &[
        sub("scale", "autoscaling", "v1", "Scale", STATUS),
        sub("status", "", "", "ReplicationController", STATUS),
    ]),
    row("", "v1", "resourcequotas", "resourcequota", "ResourceQuota", true, STANDARD, &["quota"], &[], &[
        sub("status", "", "", "ResourceQuota", STATUS),
    ]),
    row("", "v1", "secrets", "secret", "Secret", true, STANDARD, &[], &[], &[]),
    row("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", true, STANDARD, &["sa"], &[], &[
        sub("token", "authentication.k8s.io", "v1", "TokenRequest", CREATE),
    ]),
    row("", "v1", "services", "service", "Service", true, STANDARD, &["svc"], &["all"], &[
        sub("proxy", "", "", "ServiceProxyOptions", PROXY),
        sub("status", "", "", "Service", STATUS),
    ]),
    row("apiregistration.k8s.io", "v1", "apiservices", "apiservice", "APIService", false, STANDARD, &[], &["api-extensions"], &[
        sub("status", "", "", "APIService", STATUS),
    ]),
    row("apps", "v1", "controllerrevisions", "controllerrevision", "ControllerRevision", true, STANDARD, &[], &[], &[]),
    row("apps", "v1", "daemonsets", "daemonset", "DaemonSet", true, STANDARD, &["ds"], &["all"], &[
        sub("status", "", "", "DaemonSet", STATUS),
    ]),
    row("apps", "v1", "deployments", "deployment", "Deployment", true, STANDARD, &["deploy"], &["all"], &[
        sub("scale", "autoscaling", "v1", "Scale", STATUS),
        sub("status", "", "", "Deployment", STATUS),
    ]),
    row("apps", "v1", "replicasets", "replicaset", "ReplicaSet", true, STANDARD, &["rs"], &["all"], &[
        sub("scale", "autoscaling", "v1", "Scale", STATUS),
        sub("status", "", "", "ReplicaSet", STATUS),
    ]),
    row("apps", "v1", "statefulsets", "statefulset", "StatefulSet", true, STANDARD, &["sts"], &["all"], &[
        sub("scale", "autoscaling", "v1", "Scale", STATUS),
        sub("status", "", "", "StatefulSet", STATUS),
    ]),
    row("events.k8s.io", "v1", "events", "event", "Event", true, STANDARD, &["ev"], &[], &[]),
    row("authentication.k8s.io", "v1", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false, CREATE, &[], &[], &[]),
    row("authentication.k8s.io", "v1", "tokenreviews", "tokenreview", "TokenReview", false, CREATE, &[], &[], &[]),
    row("authorization.k8s.io", "v1", "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", true, CREATE, &[], &[], &[]),
    row("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", false, CREATE, &[], &[], &[]),
    row("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", false, CREATE, &[], &[], &[]),
    row("authorization.k8s.io", "v1", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", false, CREATE, &[], &[], &[]),
    row("autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", true, STANDARD, &["hpa"], &["all"], &[
        sub("status", "", "", "HorizontalPodAutoscaler", STATUS),
    ]),
    row("autoscaling", "v1", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", true, STANDARD, &["hpa"], &["all"], &[
        sub("status", "", "", "HorizontalPodAutoscaler", STATUS),
    ]),
    row("batch", "v1", "cronjobs", "cronjob", "CronJob", true, STANDARD, &["cj"], &["all"], &[
        sub("status", "", "", "CronJob", STATUS),
    ]),
    row("batch", "v1", "jobs", "job", "Job", true, STANDARD, &[], &["all"], &[
        sub("status", "", "", "Job", STATUS),
    ]),
    row("certificates.k8s.io", "v1", "certificatesigningrequests", "certificatesigningrequest", "CertificateSigningRequest", false, STANDARD, &["csr"], &[], &[
        sub("approval", "", "", "CertificateSigningRequest", STATUS),
        sub("status", "", "", "CertificateSigningRequest", STATUS),
    ]),
    row("networking.k8s.io", "v1", "ingressclasses", "ingressclass", "IngressClass", false, STANDARD, &[], &[], &[]),
    row("networking.k8s.io", "v1", "ingresses", "ingress", "Ingress", true, STANDARD, &["ing"], &[], &[
        sub("status", "", "", "Ingress", STATUS),
    ]),
    row("networking.k8s.io", "v1", "ipaddresses", "ipaddress", "IPAddress", false, STANDARD, &["ip"], &[], &[]),
    row("networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy", true, STANDARD, &["netpol"], &[], &[]),
    row("networking.k8s.io", "v1", "servicecidrs", "servicecidr", "ServiceCIDR", false, STANDARD, &[], &[], &[
        sub("status", "", "", "ServiceCIDR", STATUS),
    ]),
    row("policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", true, STANDARD, &["pdb"], &[], &[
        sub("status", "", "", "PodDisruptionBudget", STATUS),
    ]),
    row("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", false, STANDARD, &[], &[], &[]),
    row("rbac.authorization.k8s.io", "v1", "clusterroles", "clusterrole", "ClusterRole", false, STANDARD, &[], &[], &[]),
    row("rbac.authorization.k8s.io", "v1", "rolebindings", "rolebinding", "RoleBinding", true, STANDARD, &[], &[], &[]),
    row("rbac.authorization.k8s.io", "v1", "roles", "role", "Role", true, STANDARD, &[], &[], &[]),
    row("storage.k8s.io", "v1", "csidrivers", "csidriver", "CSIDriver", false, STANDARD, &[], &[], &[]),
    row("storage.k8s.io", "v1", "csinodes", "csinode", "CSINode", false, STANDARD, &[], &[], &[]),
    row("storage.k8s.io", "v1", "csistoragecapacities", "csistoragecapacity", "CSIStorageCapacity", true, STANDARD, &[], &[], &[]),
    row("storage.k8s.io", "v1", "storageclasses", "storageclass", "StorageClass", false, STANDARD, &["sc"], &[], &[]),
    row("storage.k8s.io", "v1", "volumeattachments", "volumeattachment", "VolumeAttachment", false, STANDARD, &[], &[], &[
        sub("status", "", "", "VolumeAttachment", STATUS),
    ]),
    row("storage.k8s.io", "v1", "volumeattributesclasses", "volumeattributesclass", "VolumeAttributesClass", false, STANDARD, &["vac"], &[], &[]),
    row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "mutatingadmissionpolicy", "MutatingAdmissionPolicy", false, STANDARD, &[], &["api-extensions"], &[]),
    row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding", "MutatingAdmissionPolicyBinding", false, STANDARD, &[], &["api-extensions"], &[]),
    row("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", "MutatingWebhookConfiguration", false, STANDARD, &[], &["api-extensions"], &[]),
    row("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "validatingadmissionpolicy", "ValidatingAdmissionPolicy", false, STANDARD, &[], &["api-extensions"], &[
        sub("status", "", "", "ValidatingAdmissionPolicy", STATUS),
    ]),
    row("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "validatingadmissionpolicybinding", "ValidatingAdmissionPolicyBinding", false, STANDARD, &[], &["api-extensions"], &[]),
    row("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "validatingwebhookconfiguration", "ValidatingWebhookConfiguration", false, STANDARD, &[], &["api-extensions"], &[]),
    row("apiextensions.k8s.io", "v1", "customresourcedefinitions", "customresourcedefinition", "CustomResourceDefinition", false, STANDARD, &["crd", "crds"], &["api-extensions"], &[
        sub("status", "", "", "CustomResourceDefinition", STATUS),
    ]),
    row("scheduling.k8s.io", "v1", "priorityclasses", "priorityclass", "PriorityClass", false, STANDARD, &["pc"], &[], &[]),
    row("coordination.k8s.io", "v1", "leases", "lease", "Lease", true, STANDARD, &[], &[], &[]),
    row("node.k8s.io", "v1", "runtimeclasses", "runtimeclass", "RuntimeClass", false, STANDARD, &[], &[], &[]),
    row("discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", true, STANDARD, &[], &[], &[]),
    row("resource.k8s.io", "v1", "deviceclasses", "deviceclass", "DeviceClass", false, STANDARD, &[], &[], &[]),
    row("resource.k8s.io", "v1", "resourceclaims", "resourceclaim", "ResourceClaim", true, STANDARD, &[], &[], &[
        sub("status", "", "", "ResourceClaim", STATUS),
    ]),
    row("resource.k8s.io", "v1", "resourceclaimtemplates", "resourceclaimtemplate", "ResourceClaimTemplate", true, STANDARD, &[], &[], &[]),
    row("resource.k8s.io", "v1", "resourceslices", "resourceslice", "ResourceSlice", false, STANDARD, &[], &[], &[]),
    row("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "flowschema", "FlowSchema", false, STANDARD, &[], &[], &[
        sub("status", "", "", "FlowSchema", STATUS),
    ]),
    row("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "prioritylevelconfiguration", "PriorityLevelConfiguration", false, STANDARD, &[], &[], &[
        sub("status", "", "", "PriorityLevelConfiguration", STATUS),
    ]),
];
