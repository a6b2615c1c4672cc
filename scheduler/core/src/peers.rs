//! Which bindings of which workload affinity groups are on which clusters.
//!
//! Groups belong to a namespace and to ResourceBindings only. The driver keeps the index: from its own decisions at
//! once, and from what it watches.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::model::{AffinityGroups, Binding, Scope};

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) binding: String,
    pub(crate) clusters: BTreeSet<String>,
}

/// An index of groups.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    together: HashMap<(String, String), Vec<Peer>>,
    apart: HashMap<(String, String), Vec<Peer>>,
    members: HashMap<String, AffinityGroups>,
}

impl Peers {
    /// Takes in a binding as it is, or as it has just been decided.
    pub fn upsert(&mut self, binding: &Binding, clusters: impl IntoIterator<Item = String>) {
        let key = binding.key();
        self.remove(&key);
        let (Scope::Namespaced, Some(groups)) = (binding.scope(), &binding.spec.workload_affinity_groups) else {
            return;
        };
        let clusters: BTreeSet<String> = clusters.into_iter().collect();
        let namespace = binding.metadata.namespace.clone().unwrap_or_default();
        for (index, group) in
            [(&mut self.together, &groups.affinity_group), (&mut self.apart, &groups.anti_affinity_group)]
        {
            if !group.is_empty() {
                let peer = Peer { binding: key.clone(), clusters: clusters.clone() };
                index.entry((namespace.clone(), group.clone())).or_default().push(peer);
            }
        }
        self.members.insert(key, groups.clone());
    }

    /// Forgets a binding.
    pub fn remove(&mut self, key: &str) {
        let Some(groups) = self.members.remove(key) else {
            return;
        };
        let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace).to_owned();
        for (index, group) in
            [(&mut self.together, groups.affinity_group), (&mut self.apart, groups.anti_affinity_group)]
        {
            let place = (namespace.clone(), group);
            if let Some(peers) = index.get_mut(&place) {
                peers.retain(|peer| peer.binding != key);
                if peers.is_empty() {
                    index.remove(&place);
                }
            }
        }
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether some placed member of the group is not on the cluster.
    pub(crate) fn someone_is_elsewhere(&self, namespace: &str, group: &str, me: &str, cluster: &str) -> bool {
        others(&self.together, namespace, group, me)
            .any(|peer| !peer.clusters.is_empty() && !peer.clusters.contains(cluster))
    }

    /// Whether some member of the group is on the cluster.
    pub(crate) fn someone_is_there(&self, namespace: &str, group: &str, me: &str, cluster: &str) -> bool {
        others(&self.apart, namespace, group, me).any(|peer| peer.clusters.contains(cluster))
    }
}

fn others<'a>(
    index: &'a HashMap<(String, String), Vec<Peer>>,
    namespace: &str,
    group: &str,
    me: &'a str,
) -> impl Iterator<Item = &'a Peer> {
    index.get(&(namespace.to_owned(), group.to_owned())).into_iter().flatten().filter(move |peer| peer.binding != me)
}
