//! What happens to custom resources on their way into the store.

use std::sync::Arc;

use serde_json::Value;

use super::text;
use crate::field::FieldErrors;
use crate::gvk::GroupVersionKind;
use crate::resource::{RequestContext, Strategy};
use crate::schema::{self, Schema};

/// The strategy of one version of a custom resource: its schema's validation.
pub struct CustomStrategy {
    schema: Arc<Schema>,
    deprecation: Option<String>,
}

impl CustomStrategy {
    /// The strategy of this entry of `spec.versions`.
    pub fn new(gvk: &GroupVersionKind, version: &Value, schema: Arc<Schema>) -> Self {
        let deprecation = (version["deprecated"] == true).then(|| match text(version, "deprecationWarning") {
            "" => format!("{} {} is deprecated", gvk.group_version(), gvk.kind),
            given => given.to_owned(),
        });
        Self { schema, deprecation }
    }
}

impl Strategy for CustomStrategy {
    fn validate(&self, object: &Value) -> FieldErrors {
        schema::validate(&self.schema, object, None)
    }

    fn validate_update(&self, object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
        schema::validate(&self.schema, object, Some(old))
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn custom_resource(&self) -> bool {
        true
    }

    fn deprecation_warning(&self) -> Option<&str> {
        self.deprecation.as_deref()
    }
}
