//! Whether a cluster is meant by a cluster affinity.

use karmada_api::cluster::Cluster;
use karmada_api::meta::SelectorRequirement;
use karmada_api::policy::ClusterAffinity;

/// Whether the cluster is meant: it is not excluded, and every part that is given matches. An affinity without parts
/// means every cluster.
pub fn matches(affinity: &ClusterAffinity, cluster: &Cluster) -> bool {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    if affinity.exclude.iter().any(|excluded| excluded == name) {
        return false;
    }
    let labels = cluster.metadata.labels.as_ref();
    let none = std::collections::BTreeMap::new();
    let labels_match =
        affinity.label_selector.as_ref().is_none_or(|selector| selector.matches(labels.unwrap_or(&none)));
    let fields_match = affinity.field_selector.as_ref().is_none_or(|selector| {
        selector.match_expressions.iter().all(|requirement| field_matches(requirement, cluster))
    });
    let name_matches = affinity.cluster_names.is_empty() || affinity.cluster_names.iter().any(|wanted| wanted == name);
    labels_match && fields_match && name_matches
}

fn field_matches(requirement: &SelectorRequirement, cluster: &Cluster) -> bool {
    let text = |field: &String| (!field.is_empty()).then(|| field.clone());
    match requirement.key.as_str() {
        "provider" => requirement.matches(text(&cluster.spec.provider).as_deref()),
        "region" => requirement.matches(text(&cluster.spec.region).as_deref()),
        "zone" => {
            let zones = &cluster.spec.zones;
            let any = || zones.iter().any(|zone| requirement.values.contains(zone));
            match requirement.operator.as_str() {
                "In" => any(),
                "NotIn" => !any(),
                "Exists" => !zones.is_empty(),
                "DoesNotExist" => zones.is_empty(),
                _ => false,
            }
        }
        _ => false,
    }
}
