//! Table output: columns and cells.
//!
//! Built-in kinds are printed as kube-apiserver prints them, custom resources by the JSON paths of their CRD, everything
//! else by name and creation time.

mod cells;
mod columns;
mod custom;
mod duration;
mod json_path;

pub use custom::{crd_table, crd_table_with};
pub use duration::{age_of, human_duration};
pub use json_path::JsonPath;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::meta;

/// A column of a Table, as `columnDefinitions` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The header.
    pub name: String,
    /// JSON type: string, integer, number, boolean, date.
    pub kind: String,
    /// `name` for the first column; otherwise mostly empty.
    pub format: String,
    /// Description.
    pub description: String,
    /// 0 for columns always shown, 1 for those of `-o wide`.
    pub priority: i32,
}

const NAME_DESCRIPTION: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE_DESCRIPTION: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

impl Column {
    /// A column without a description.
    pub fn new(name: &str, kind: &str, format: &str, priority: i32) -> Self {
        let description = match (name, format) {
            (_, "name") => NAME_DESCRIPTION,
            ("Age" | "Created At", _) => AGE_DESCRIPTION,
            _ => "",
        };
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: format.to_owned(),
            description: description.to_owned(),
            priority,
        }
    }
}

/// How objects of one resource are printed in a Table.
pub trait TableConvertor: Send + Sync {
    /// The columns.
    fn columns(&self) -> &[Column];

    /// The cells of one object, one a column. Ages are relative to `now`.
    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value>;

    /// The `conditions` of an object's row; mostly none.
    fn conditions(&self, _object: &Value) -> Vec<Value> {
        Vec::new()
    }
}

/// How a built-in kind is printed.
struct Builtin {
    columns: Vec<Column>,
    cells: cells::Printer,
    /// Whether rows of ended objects are marked as completed: pods only.
    completes: bool,
}

impl TableConvertor for Builtin {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut cells = (self.cells)(object, now);
        cells.resize(self.columns.len(), Value::Null);
        cells
    }

    fn conditions(&self, object: &Value) -> Vec<Value> {
        if self.completes { cells::completed(object).into_iter().collect() } else { Vec::new() }
    }
}

/// Name and creation time: what is shown of kinds that nothing more is known of.
fn name_and_creation(object: &Value, _now: Timestamp) -> Vec<Value> {
    let created = object.get("metadata").and_then(|m| m.get("creationTimestamp")).cloned().unwrap_or_default();
    vec![meta::name(object).unwrap_or_default().into(), created]
}

/// How a built-in resource is printed; resources without a printer of their own by name and creation time.
pub fn builtin_table(group: &str, resource: &str) -> Arc<dyn TableConvertor> {
    let rows = columns::COLUMNS.iter().find(|(g, r, _)| *g == group && *r == resource).map(|(_, _, rows)| *rows);
    let printer = cells::printer(group, resource);
    let (Some(rows), Some(cells)) = (rows, printer) else {
        let rows = rows.filter(|rows| rows.len() == 2);
        let columns = match rows {
            Some(rows) => rows.iter().map(|(n, t, f, p)| Column::new(n, t, f, *p)).collect(),
            None => vec![Column::new("Name", "string", "name", 0), Column::new("Created At", "date", "", 0)],
        };
        return Arc::new(Builtin { columns, cells: name_and_creation, completes: false });
    };
    let columns = rows.iter().map(|(n, t, f, p)| Column::new(n, t, f, *p)).collect();
    Arc::new(Builtin { columns, cells, completes: (group, resource) == ("", "pods") })
}

#[cfg(test)]
mod tests;
