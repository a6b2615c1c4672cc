//! The columns of kinds that have none of their own: name and age.

use jiff::Timestamp;
use serde_json::Value;

use crate::table::{Column, TableConvertor};

/// Prints name and creation time.
#[derive(Debug)]
pub(super) struct NameAndTime(Vec<Column>);

impl Default for NameAndTime {
    fn default() -> Self {
        Self(vec![
            Column {
                name: "Name".to_owned(),
                kind: "string".to_owned(),
                format: "name".to_owned(),
                description: "Name must be unique within a namespace.".to_owned(),
                priority: 0,
            },
            Column {
                name: "Created At".to_owned(),
                kind: "date".to_owned(),
                format: String::new(),
                description: "The time at which the object was created.".to_owned(),
                priority: 0,
            },
        ])
    }
}

impl TableConvertor for NameAndTime {
    fn columns(&self) -> &[Column] {
        &self.0
    }

    fn cells(&self, object: &Value, _now: Timestamp) -> Vec<Value> {
        let metadata = object.get("metadata");
        let text = |key: &str| metadata.and_then(|m| m.get(key)).cloned().unwrap_or_default();
        vec![text("name"), text("creationTimestamp")]
    }
}
