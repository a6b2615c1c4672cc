//! Reading single objects of this server from inside its process.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use karmada_machinery::{GroupVersionResource, StatusError};
use serde_json::Value;

/// Reads objects as they are stored now. Implemented over the server's own router and, in tests, over a map.
#[async_trait]
pub trait ObjectReader: Send + Sync {
    /// One object; `None` if there is none. `namespace` is empty for cluster-scoped resources.
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, StatusError>;

    /// All objects, of one namespace if it is not empty.
    async fn list(&self, resource: &GroupVersionResource, namespace: &str) -> Result<Vec<Value>, StatusError>;
}

/// A reader that is known only after those who need it: authentication is part of the router that it reads through.
#[derive(Default)]
pub struct LateReader(OnceLock<Arc<dyn ObjectReader>>);

impl LateReader {
    /// Names the reader; the first one stays.
    pub fn set(&self, reader: Arc<dyn ObjectReader>) {
        // A second reader could only be another way to the same objects.
        let _ = self.0.set(reader);
    }
}

#[async_trait]
impl ObjectReader for LateReader {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, StatusError> {
        match self.0.get() {
            Some(reader) => reader.get(resource, namespace, name).await,
            None => Err(starting()),
        }
    }

    async fn list(&self, resource: &GroupVersionResource, namespace: &str) -> Result<Vec<Value>, StatusError> {
        match self.0.get() {
            Some(reader) => reader.list(resource, namespace).await,
            None => Err(starting()),
        }
    }
}

fn starting() -> StatusError {
    StatusError::unavailable("the server is starting")
}
