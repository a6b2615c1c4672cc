//! Who depends on whom.
//!
//! Objects without owners cost sixteen bytes: their uid, by which it is known that they exist. Objects with owners are
//! nodes. The graph sees changes in the store's order, so that an owner that exists is known before its dependents; a
//! reference to an unknown uid is a reference to nobody.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    super::feed::{Change, Head},
    FOREGROUND, Identity, ORPHAN,
};

/// The graph.
#[derive(Default)]
pub struct Graph {
    /// Uids of all objects.
    alive: HashSet<u128>,
    /// Objects with owners, by uid.
    nodes: HashMap<Arc<str>, Node>,
    /// Dependents of an owner, by the owner's uid.
    dependents: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// Objects that are being deleted in the foreground, by uid: their last dependent's end brings them back.
    foreground: HashMap<Arc<str>, Identity>,
    /// Whether all that exists is known; before that a missing owner may only be one that has not been told yet.
    complete: bool,
    suspects: Vec<Identity>,
}

struct Node {
    identity: Identity,
    /// Uid of each owner, and whether the owner's foreground deletion waits for this object.
    owners: Vec<(Arc<str>, bool)>,
}

/// Uids as the store has them, in 16 bytes. Those that are no UUIDs are hashed.
fn number(uid: &str) -> u128 {
    match uuid::Uuid::try_parse(uid) {
        Ok(uid) => uid.as_u128(),
        Err(_) => {
            let digest = ring::digest::digest(&ring::digest::SHA256, uid.as_bytes());
            digest.as_ref().iter().take(16).fold(0, |number, &byte| (number << 8) | u128::from(byte))
        }
    }
}

fn identity(head: &Head) -> Identity {
    Identity {
        api_version: head.api_version.as_str().into(),
        kind: head.kind.as_str().into(),
        namespace: head.metadata.namespace.as_str().into(),
        name: head.metadata.name.as_str().into(),
        uid: head.metadata.uid.as_str().into(),
    }
}

impl Graph {
    /// Takes one change.
    pub fn observe(&mut self, change: &Change) {
        let replaced = change
            .previous
            .as_ref()
            .filter(|old| change.object.as_ref().is_none_or(|new| new.metadata.uid != old.metadata.uid));
        if let Some(gone) = replaced {
            self.remove(&gone.metadata.uid);
        }
        if let Some(object) = &change.object
            && !object.metadata.uid.is_empty()
        {
            self.put(object);
        }
    }

    /// All that exists has been told: whoever refers to nobody now is suspect.
    pub fn synced(&mut self) {
        self.complete = true;
        let orphans: Vec<Identity> = self
            .nodes
            .values()
            .filter(|node| node.owners.iter().any(|(owner, _)| !self.alive.contains(&number(owner))))
            .map(|node| node.identity.clone())
            .collect();
        self.suspects.extend(orphans);
    }

    /// The objects that the changes since the last call make worth a look.
    pub fn take_suspects(&mut self) -> Vec<Identity> {
        std::mem::take(&mut self.suspects)
    }

    /// Whether anything depends on the object.
    pub fn has_dependents(&self, uid: &str) -> bool {
        self.dependents.get(uid).is_some_and(|d| !d.is_empty())
    }

    /// The dependents of an object, and how many of them its foreground deletion waits for.
    pub fn dependents(&self, uid: &str) -> (Vec<Identity>, usize) {
        let mut all = Vec::new();
        let mut blocking = 0;
        for node in self.dependents.get(uid).into_iter().flatten().filter_map(|d| self.nodes.get(d)) {
            all.push(node.identity.clone());
            blocking += usize::from(node.owners.iter().any(|(owner, blocks)| **owner == *uid && *blocks));
        }
        (all, blocking)
    }

    /// Nodes and known objects, for metrics.
    pub fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.alive.len())
    }

    fn put(&mut self, head: &Head) {
        let uid: Arc<str> = head.metadata.uid.as_str().into();
        self.alive.insert(number(&uid));
        let owners: Vec<(Arc<str>, bool)> = head
            .metadata
            .owner_references
            .iter()
            .flatten()
            .map(|r| (Arc::from(r.uid.as_str()), r.block_owner_deletion.unwrap_or(false)))
            .collect();
        let deleting = head.metadata.is_deleting();
        if deleting && head.metadata.has_finalizer(FOREGROUND) {
            let identity = identity(head);
            self.foreground.insert(uid.clone(), identity.clone());
            self.suspects.push(identity);
        } else if deleting && head.metadata.has_finalizer(ORPHAN) {
            self.suspects.push(identity(head));
        }
        let old = self.nodes.get(&uid).map(|node| node.owners.clone()).unwrap_or_default();
        if old == owners {
            return;
        }
        self.unlink(&uid, &old);
        if owners.is_empty() {
            self.nodes.remove(&uid);
            return;
        }
        let identity = identity(head);
        for (owner, _) in &owners {
            self.dependents.entry(owner.clone()).or_default().insert(uid.clone());
        }
        let absent = owners.iter().any(|(owner, _)| !self.alive.contains(&number(owner)));
        let waited_for = owners.iter().any(|(owner, _)| self.foreground.contains_key(owner));
        if self.complete && (absent || waited_for) {
            self.suspects.push(identity.clone());
        }
        self.nodes.insert(uid, Node { identity, owners });
    }

    fn remove(&mut self, uid: &str) {
        self.alive.remove(&number(uid));
        self.foreground.remove(uid);
        if let Some(node) = self.nodes.remove(uid) {
            self.unlink(&node.identity.uid, &node.owners);
        }
        for dependent in self.dependents.get(uid).into_iter().flatten() {
            if let Some(node) = self.nodes.get(dependent) {
                self.suspects.push(node.identity.clone());
            }
        }
    }

    /// Takes a dependent off its owners' lists; an owner that waits for its dependents gets a look.
    fn unlink(&mut self, uid: &Arc<str>, owners: &[(Arc<str>, bool)]) {
        for (owner, _) in owners {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
            if let Some(waiting) = self.foreground.get(owner) {
                self.suspects.push(waiting.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn head(name: &str, owners: &[&str], more: Value) -> Head {
        let references: Vec<Value> = owners
            .iter()
            .map(|o| json!({"apiVersion": "v1", "kind": "K", "name": o, "uid": o, "blockOwnerDeletion": true}))
            .collect();
        let mut metadata = json!({"name": name, "namespace": "ns", "uid": name, "ownerReferences": references});
        for (key, value) in more.as_object().unwrap() {
            metadata[key] = value.clone();
        }
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "K", "metadata": metadata})).unwrap()
    }

    fn change(object: Option<Head>, previous: Option<Head>) -> Change {
        Change { key: "k".into(), object, previous, json: Bytes::new() }
    }

    fn names(suspects: Vec<Identity>) -> Vec<String> {
        let mut names: Vec<String> = suspects.iter().map(|i| i.name.to_string()).collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn dependents_of_the_absent_are_suspects() {
        let mut graph = Graph::default();
        let plain = |name: &str, owners: &[&str]| head(name, owners, json!({}));
        // In the initial state a dependent may be told before its owner.
        graph.observe(&change(Some(plain("b", &["a"])), None));
        graph.observe(&change(Some(plain("a", &[])), None));
        graph.observe(&change(Some(plain("lost", &["gone"])), None));
        assert!(graph.take_suspects().is_empty());
        graph.synced();
        assert_eq!(names(graph.take_suspects()), ["lost"]);

        graph.observe(&change(Some(plain("c", &["a"])), None));
        assert!(graph.take_suspects().is_empty());
        graph.observe(&change(Some(plain("late", &["gone"])), None));
        assert_eq!(names(graph.take_suspects()), ["late"]);
        graph.observe(&change(None, Some(plain("a", &[]))));
        assert_eq!(names(graph.take_suspects()), ["b", "c"]);
        // An owner reference that is taken away ends the dependence.
        graph.observe(&change(Some(plain("b", &[])), Some(plain("b", &["a"]))));
        assert_eq!(graph.size().0, 3);
    }

    #[test]
    fn a_recreated_object_is_another_one() {
        let mut graph = Graph::default();
        graph.synced();
        let old = head("a", &[], json!({}));
        let new = head("a", &[], json!({"uid": "a2"}));
        graph.observe(&change(Some(old.clone()), None));
        graph.observe(&change(Some(head("b", &["a"], json!({}))), None));
        graph.observe(&change(Some(new), Some(old)));
        assert_eq!(names(graph.take_suspects()), ["b"]);
    }

    #[test]
    fn foreground_deletion_comes_back_with_each_dependent() {
        let mut graph = Graph::default();
        graph.synced();
        graph.observe(&change(Some(head("a", &[], json!({}))), None));
        graph.observe(&change(Some(head("b", &["a"], json!({}))), None));
        graph.observe(&change(Some(head("c", &["a"], json!({}))), None));
        let going = head("a", &[], json!({"deletionTimestamp": "x", "finalizers": [FOREGROUND]}));
        graph.observe(&change(Some(going), Some(head("a", &[], json!({})))));
        assert_eq!(names(graph.take_suspects()), ["a"]);
        assert_eq!(graph.dependents("a").1, 2);
        graph.observe(&change(None, Some(head("b", &["a"], json!({})))));
        assert_eq!(names(graph.take_suspects()), ["a"]);
        graph.observe(&change(None, Some(head("c", &["a"], json!({})))));
        assert_eq!(names(graph.take_suspects()), ["a"]);
        assert_eq!(graph.dependents("a").1, 0);
        assert!(!graph.has_dependents("a"));
    }
}
