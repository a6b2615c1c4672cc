//! `metadata.managedFields`: who manages which fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::FieldSet;

/// How a manager came to its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply: it states all it wants.
    Apply,
    /// By create, update and other patches: it changed them.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells managers apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for appliers: they stay the same when they move to another version.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl ManagerId {
    pub(super) fn new(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let api_version = if operation == Operation::Apply { "" } else { api_version };
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }
}

impl std::fmt::Display for ManagerId {
    /// As conflicts name it: `"kubectl" with subresource "status" using v1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        if self.operation == Operation::Update {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) fields: FieldSet,
    pub(super) api_version: String,
    /// As it is written, in whole seconds.
    pub(super) time: Option<String>,
}

/// All managers of an object.
pub(super) type Managers = BTreeMap<ManagerId, Entry>;

/// The managed fields of an object, as they stand there.
pub(super) fn of(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

/// Whether a client asks for all managed fields to be forgotten: an empty list, or one empty entry.
pub(super) fn is_reset(fields: Option<&Value>) -> bool {
    match fields.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(|entry| entry.values().all(is_zero)),
        _ => false,
    }
}

fn is_zero(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// Parses managed fields.
pub(super) fn decode(fields: Option<&Value>) -> Result<Managers, String> {
    let mut managers = Managers::new();
    for entry in fields.and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        let api_version = text("apiVersion");
        if api_version.is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err("missing fieldsType in managed fields entry".to_owned()),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry")),
        }
        let fields = match entry.get("fieldsV1") {
            None | Some(Value::Null) => FieldSet::default(),
            Some(fields) => FieldSet::from_value(fields)?,
        };
        let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
        let id = ManagerId::new(text("manager"), operation, api_version, text("subresource"));
        managers.insert(id, Entry { fields, api_version: api_version.to_owned(), time });
    }
    Ok(managers)
}

/// Writes managed fields, in the order of Kubernetes: appliers first, then by time, name, version, subresource.
pub(super) fn encode(managers: Managers) -> Value {
    let mut entries: Vec<(ManagerId, Entry)> = managers.into_iter().collect();
    // Times are written alike, in UTC and whole seconds, so that they sort as text.
    entries.sort_by(|(a_id, a), (b_id, b)| {
        let key = |id: &ManagerId, entry: &Entry| {
            (
                id.operation,
                entry.time.clone().unwrap_or_default(),
                id.manager.clone(),
                entry.api_version.clone(),
                id.subresource.clone(),
            )
        };
        key(a_id, a).cmp(&key(b_id, b))
    });
    entries
        .into_iter()
        .map(|(id, entry)| {
            let mut map = Map::new();
            if !id.manager.is_empty() {
                map.insert("manager".to_owned(), id.manager.into());
            }
            map.insert("operation".to_owned(), id.operation.as_str().into());
            map.insert("apiVersion".to_owned(), entry.api_version.into());
            if let Some(time) = entry.time {
                map.insert("time".to_owned(), time.into());
            }
            map.insert("fieldsType".to_owned(), "FieldsV1".into());
            map.insert("fieldsV1".to_owned(), entry.fields.to_value());
            if !id.subresource.is_empty() {
                map.insert("subresource".to_owned(), id.subresource.into());
            }
            Value::Object(map)
        })
        .collect()
}

/// Puts the managers into an object; the field goes if there are none.
pub(super) fn put(object: &mut Value, managers: Managers) {
    if managers.is_empty() {
        crate::meta::remove(object, "managedFields");
    } else {
        crate::meta::set(object, "managedFields", encode(managers));
    }
}
