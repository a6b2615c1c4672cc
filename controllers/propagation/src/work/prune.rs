//! Takes out of a template what belongs to the control plane's copy of it and must not reach a member: identity,
//! bookkeeping, ownership, status, and what the control plane's own controllers and allocators filled in. Admission of
//! Works does the same, so the rules lie with the types.

pub use karmada_api::prune::prune;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_out_what_is_the_control_planes() {
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "w", "uid": "u", "generation": 4, "finalizers": ["a/b"], "labels": {"a": "b"},
                         "annotations": {"deployment.kubernetes.io/revision": "2", "x": "y"}},
            "spec": {"replicas": 2}, "status": {"replicas": 2},
        });
        prune(&mut deployment);
        assert_eq!(
            deployment,
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                   "metadata": {"name": "w", "labels": {"a": "b"}, "annotations": {"x": "y"}}, "spec": {"replicas": 2}})
        );
    }

    #[test]
    fn keeps_a_headless_service_headless() {
        let service = |address: &str| {
            let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                                     "spec": {"clusterIP": address, "clusterIPs": [address], "ports": []}});
            prune(&mut service);
            service["spec"].clone()
        };
        assert_eq!(service("None"), json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": []}));
        assert_eq!(service("10.0.0.1"), json!({"ports": []}));
    }
}
