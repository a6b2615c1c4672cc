//! What admission has to know of namespaces: which there are, which are being deleted, and their labels.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::RwLock;
use serde::Deserialize;

use crate::mirror::Projection;

/// One namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceState {
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Its labels, for selectors of webhooks.
    pub labels: BTreeMap<String, String>,
}

/// All namespaces. Follows the store.
#[derive(Default)]
pub struct Namespaces(RwLock<HashMap<String, Arc<NamespaceState>>>);

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Namespaces {
    /// The namespace of this name, if there is one.
    pub fn get(&self, name: &str) -> Option<Arc<NamespaceState>> {
        self.0.read().get(name).cloned()
    }

    /// The names of all.
    pub fn names(&self) -> Vec<String> {
        self.0.read().keys().cloned().collect()
    }
}

impl Projection for Namespaces {
    fn prefixes(&self) -> &[&'static str] {
        &["/registry/namespaces/"]
    }

    fn apply(&self, _prefix: &'static str, tail: &str, value: Option<&[u8]>) {
        match value.and_then(|v| serde_json::from_slice::<Object>(v).ok()) {
            Some(object) => {
                let state = NamespaceState {
                    terminating: object.metadata.deletion_timestamp.is_some(),
                    labels: object.metadata.labels.unwrap_or_default(),
                };
                self.0.write().insert(tail.to_owned(), Arc::new(state));
            }
            None => {
                self.0.write().remove(tail);
            }
        }
    }

    fn clear(&self) {
        self.0.write().clear();
    }
}
