//! Reading single objects of this server from inside its process.

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
}
