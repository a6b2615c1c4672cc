//! Conflicts: fields that somebody else manages and that an applier would change.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    managed::ManagerId,
    path::{PathElement, display_path},
    set::FieldSet,
};
use crate::status::{Reason, StatusError};

/// Fields in conflict, by who manages them. Not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Conflicts(pub(super) BTreeMap<ManagerId, FieldSet>);

impl Conflicts {
    /// All fields, whoever manages them.
    pub(super) fn fields(&self) -> FieldSet {
        self.0.values().fold(FieldSet::default(), |all, set| all.union(set))
    }

    /// Without fields about which no conflict is seen.
    pub(super) fn without(&self, allowed: &FieldSet) -> Self {
        let rest = self.0.iter().map(|(id, set)| (id.clone(), set.difference(allowed)));
        Self(rest.filter(|(_, set)| !set.is_empty()).collect())
    }

    /// The 409 that Kubernetes answers, with a cause for each field.
    pub(super) fn to_status(&self) -> StatusError {
        let found: Vec<(&ManagerId, Vec<Vec<PathElement>>)> =
            self.0.iter().map(|(id, set)| (id, set.paths())).collect();
        let number: usize = found.iter().map(|(_, paths)| paths.len()).sum();
        let mut causes: Vec<Value> = Vec::with_capacity(number);
        let mut lines = Vec::new();
        for (manager, paths) in &found {
            lines.push(format!("conflicts with {manager}:"));
            for path in paths {
                let path = display_path(path);
                lines.push(format!("- {path}"));
                causes.push(json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {manager}"),
                    "field": path,
                }));
            }
        }
        let message = match found.as_slice() {
            [(manager, paths)] if number == 1 => {
                let path = paths.first().map(|p| display_path(p)).unwrap_or_default();
                format!("Apply failed with 1 conflict: conflict with {manager}: {path}")
            }
            _ => format!("Apply failed with {number} conflicts: {}", lines.join("\n")),
        };
        StatusError::new(409, Reason::Conflict, message).with_details(json!({"causes": causes}))
    }
}
