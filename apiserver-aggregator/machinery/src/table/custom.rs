//! Tables of custom resources: the printer columns of a CRD.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Number, Value};

use super::{Column, JsonPath, TableConvertor, age_of};
use crate::{meta, patch::go};

/// The table of a CRD version with these `additionalPrinterColumns`; without any, the age is shown.
pub fn crd_table(columns: &[Value]) -> Arc<dyn TableConvertor> {
    let text = |column: &Value, name: &str| column.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let columns = columns.iter().map(|column| {
        let definition = Column {
            name: text(column, "name"),
            kind: text(column, "type"),
            format: text(column, "format"),
            description: match text(column, "description").as_str() {
                "" => format!("Custom resource definition column (in JSONPath format): {}", text(column, "jsonPath")),
                given => given.to_owned(),
            },
            priority: column
                .get("priority")
                .and_then(Value::as_i64)
                .and_then(|p| i32::try_from(p).ok())
                .unwrap_or_default(),
        };
        (definition, text(column, "jsonPath"))
    });
    crd_table_with(columns)
}

/// The same for columns that are known already, each with its JSON path.
pub fn crd_table_with(columns: impl IntoIterator<Item = (Column, String)>) -> Arc<dyn TableConvertor> {
    let mut definitions = vec![Column::new("Name", "string", "name", 0)];
    let mut paths = Vec::new();
    for (definition, path) in columns {
        definitions.push(definition);
        paths.push(JsonPath::parse(&path).ok());
    }
    if paths.is_empty() {
        definitions.push(Column::new("Age", "date", "", 0));
        paths.push(JsonPath::parse(".metadata.creationTimestamp").ok());
    }
    Arc::new(Custom { columns: definitions, paths })
}

struct Custom {
    columns: Vec<Column>,
    /// One for each column but the first; `None` if it cannot be parsed, whose cells are empty.
    paths: Vec<Option<JsonPath>>,
}

impl TableConvertor for Custom {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let mut cells = Vec::with_capacity(self.columns.len());
        cells.push(meta::name(object).unwrap_or_default().into());
        for (column, path) in self.columns.iter().skip(1).zip(&self.paths) {
            // Only the first match is shown.
            let found = path.as_ref().and_then(|path| path.find(object).first().copied());
            cells.push(found.map_or(Value::Null, |value| cell(&column.kind, value, now)));
        }
        cells
    }
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(text)) => text.clone().into(),
        ("string", Value::Number(number)) => go::number(number).into(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => {
            #[expect(clippy::cast_possible_truncation, reason = "fractions are cut off, as in Go")]
            let whole = |n: &Number| n.as_i64().or_else(|| n.as_f64().map(|f| f as i64));
            whole(number).map_or(Value::Null, Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(_)) => age_of(Some(value), now).into(),
        _ => Value::Null,
    }
}
