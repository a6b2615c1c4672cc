//! What remedies ask to be done about a cluster.

use std::collections::BTreeSet;

use karmada_api::cluster::Cluster;
use karmada_api::remedy::Remedy;

/// Whether the remedy is for this cluster, as its conditions are now.
pub fn applies(remedy: &Remedy, cluster: &Cluster) -> bool {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let targeted = remedy
        .spec
        .cluster_affinity
        .as_ref()
        .is_none_or(|affinity| affinity.cluster_names.iter().any(|wanted| wanted == name));
    let matches = &remedy.spec.decision_matches;
    targeted
        && (matches.is_empty()
            || matches.iter().filter_map(|wanted| wanted.cluster_condition_match.as_ref()).any(|wanted| {
                cluster.status.conditions.iter().any(|condition| {
                    let equal = condition.status == wanted.condition_status;
                    condition.type_ == wanted.condition_type
                        && match wanted.operator.as_str() {
                            "Equal" => equal,
                            "NotEqual" => !equal,
                            _ => false,
                        }
                })
            }))
}

/// The actions that the remedies ask for, sorted; nothing if the cluster has them already.
pub fn actions(cluster: &Cluster, remedies: &[Remedy]) -> Option<Vec<String>> {
    let wanted: BTreeSet<&String> =
        remedies.iter().filter(|remedy| applies(remedy, cluster)).flat_map(|remedy| &remedy.spec.actions).collect();
    let wanted: Vec<String> = wanted.into_iter().cloned().collect();
    (wanted != cluster.status.remedy_actions).then_some(wanted)
}
