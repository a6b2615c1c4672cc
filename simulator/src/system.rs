//! What a fresh cluster has in kube-system: coredns, kube-proxy and the etcd Pod of its control plane.

use serde_json::{Value, json};

use crate::nodes::NodeConfig;

/// The objects, in the order in which they are created.
pub fn objects(nodes: &[NodeConfig]) -> Vec<Value> {
    let tolerate_all = json!([{"operator": "Exists"}]);
    let resources = json!({"requests": {"cpu": "100m", "memory": "70Mi"}});
    let mut objects = vec![
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                "template": {
                    "metadata": {"labels": {"k8s-app": "kube-dns"}},
                    "spec": {
                        "containers": [{"name": "coredns", "image": "registry.k8s.io/coredns/coredns:v1.12.1",
                                        "resources": resources}],
                        "tolerations": tolerate_all,
                    },
                },
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "selector": {"k8s-app": "kube-dns"},
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "kube-proxy", "namespace": "kube-system", "labels": {"k8s-app": "kube-proxy"}},
            "spec": {
                "selector": {"matchLabels": {"k8s-app": "kube-proxy"}},
                "template": {
                    "metadata": {"labels": {"k8s-app": "kube-proxy"}},
                    "spec": {
                        "containers": [{"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy:v1.36.2"}],
                        "hostNetwork": true,
                        "tolerations": tolerate_all,
                    },
                },
            },
        }),
    ];
    if let Some(node) = nodes.first() {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("etcd-{}", node.name), "namespace": "kube-system",
                "labels": {"component": "etcd", "tier": "control-plane"},
            },
            "spec": {
                "nodeName": node.name,
                "hostNetwork": true,
                "containers": [{"name": "etcd", "image": "registry.k8s.io/etcd:3.6.6-0",
                                "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}}],
                "tolerations": tolerate_all,
            },
        }));
    }
    objects
}
