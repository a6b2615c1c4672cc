//! Decoding and encoding of typed kinds as Go's structs do it: wrong types are refused, nulls and unknown fields vanish,
//! quantities and times take their canonical form, zero values are left out or written.

use serde_json::{Map, Value, json};

use super::go::{go_type, named_type};
use super::{GoField, Node, Type, quantity};

const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";

/// Where the decoder stands.
struct Decoder {
    /// The path as strict decoding names it: `spec.containers[0]`.
    path: String,
    /// The names of the struct fields on the way, without indexes and map keys, as type errors name them.
    fields: Vec<String>,
    /// The innermost Go struct.
    owner: String,
    unknown: Vec<String>,
}

/// Decodes in place; returns the paths of unknown fields, which are dropped. The error is Go's text. `prefix` is the path
/// of the value within its object.
pub(super) fn decode(node: Node<'_>, value: &mut Value, prefix: &str, unknown: &mut Vec<String>) -> Result<(), String> {
    let mut decoder = Decoder {
        path: prefix.to_owned(),
        fields: Vec::new(),
        owner: node.definition().and_then(|d| d.rsplit('.').next()).unwrap_or_default().to_owned(),
        unknown: std::mem::take(unknown),
    };
    let result = decoder.value(node, value, None);
    *unknown = decoder.unknown;
    result
}

/// Go's name for the kind of a JSON value.
fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Decoder {
    fn mismatch(&self, value: &str, node: Node<'_>, field: Option<(&str, &str)>) -> String {
        let wanted =
            field.and_then(|(owner, name)| named_type(owner, name)).map_or_else(|| go_type(node), str::to_owned);
        if self.fields.is_empty() {
            return format!("json: cannot unmarshal {value} into Go value of type {wanted}");
        }
        format!(
            "json: cannot unmarshal {value} into Go struct field {}.{} of type {wanted}",
            self.owner,
            self.fields.join(".")
        )
    }

    /// Decodes one value. `field` is the struct and the name of the field the value stands in.
    fn value(&mut self, node: Node<'_>, value: &mut Value, field: Option<(&str, &str)>) -> Result<(), String> {
        if node.quantity() {
            *value = quantity::canonical_value(value).map_err(str::to_owned)?.into();
            return Ok(());
        }
        if node.int_or_string() {
            return match value {
                Value::String(_) => Ok(()),
                Value::Number(n) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => Ok(()),
                Value::Number(n) => Err(format!("json: cannot unmarshal number {n} into Go value of type int32")),
                other => Err(format!("json: cannot unmarshal {} into Go value of type int32", json_kind(other))),
            };
        }
        match node.kind() {
            Type::Any => Ok(()),
            Type::Object => self.object(node, value, field),
            Type::Array => {
                let Value::Array(items) = value else {
                    return Err(self.mismatch(json_kind(value), node, field));
                };
                let Some(item_node) = node.items() else { return Ok(()) };
                let length = self.path.len();
                for (index, item) in items.iter_mut().enumerate() {
                    if item.is_null() {
                        *item = zero(item_node).unwrap_or_default();
                        continue;
                    }
                    self.path.push_str(&format!("[{index}]"));
                    self.value(item_node, item, None)?;
                    self.path.truncate(length);
                }
                Ok(())
            }
            Type::String => {
                let Value::String(text) = value else {
                    if is_time(node) {
                        return Err(format!(
                            "json: cannot unmarshal {} into Go value of type string",
                            json_kind(value)
                        ));
                    }
                    return Err(self.mismatch(json_kind(value), node, field));
                };
                match node.definition() {
                    Some(TIME) => *value = parse_time(text, false)?,
                    Some(MICRO_TIME) => *value = parse_time(text, true)?,
                    _ if node.format() == Some("byte") => check_base64(text)?,
                    _ => {}
                }
                Ok(())
            }
            Type::Boolean if value.is_boolean() => Ok(()),
            Type::Integer => match value {
                Value::Number(n) => {
                    let fits = match (node.format(), n.as_i64()) {
                        (_, None) => false,
                        (Some("int32"), Some(n)) => i32::try_from(n).is_ok(),
                        _ => true,
                    };
                    if fits { Ok(()) } else { Err(self.mismatch(&format!("number {n}"), node, field)) }
                }
                other => Err(self.mismatch(json_kind(other), node, field)),
            },
            Type::Number if value.is_number() => Ok(()),
            Type::Boolean | Type::Number => Err(self.mismatch(json_kind(value), node, field)),
        }
    }

    fn object(&mut self, node: Node<'_>, value: &mut Value, field: Option<(&str, &str)>) -> Result<(), String> {
        let Value::Object(map) = value else {
            return Err(self.mismatch(json_kind(value), node, field));
        };
        if !node.has_fields() {
            let Some(values) = node.additional() else {
                if !node.preserves_unknown() {
                    for key in std::mem::take(map).keys() {
                        self.unknown.push(join(&self.path, key));
                    }
                }
                return Ok(());
            };
            let length = self.path.len();
            for (key, item) in map.iter_mut() {
                if item.is_null() {
                    *item = zero(values).unwrap_or_default();
                    continue;
                }
                push(&mut self.path, key);
                self.value(values, item, None)?;
                self.path.truncate(length);
            }
            return Ok(());
        }
        let name = node.definition().and_then(|d| d.rsplit('.').next()).unwrap_or_default();
        let owner = std::mem::replace(&mut self.owner, name.to_owned());
        let length = self.path.len();
        let mut dropped = Vec::new();
        for (key, item) in map.iter_mut() {
            let Some(child) = node.own_field(key) else {
                dropped.push(key.clone());
                continue;
            };
            if item.is_null() {
                continue;
            }
            push(&mut self.path, key);
            self.fields.push(key.clone());
            self.value(child, item, Some((name, key)))?;
            self.fields.pop();
            self.path.truncate(length);
        }
        for key in dropped {
            map.remove(&key);
            self.unknown.push(join(&self.path, &key));
        }
        map.retain(|_, item| !item.is_null());
        self.owner = owner;
        Ok(())
    }
}

/// Appends a key to a path.
pub(super) fn push(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// A path with a key appended.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn is_time(node: Node<'_>) -> bool {
    matches!(node.definition(), Some(TIME | MICRO_TIME))
}

/// A time in UTC, in seconds or microseconds.
fn parse_time(text: &str, micro: bool) -> Result<Value, String> {
    let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let parsed: jiff::Timestamp =
        text.parse().map_err(|_| format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""))?;
    let shown = if micro { parsed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ") } else { parsed.strftime("%Y-%m-%dT%H:%M:%SZ") };
    Ok(shown.to_string().into())
}

/// Refuses what Go's base64 decoder refuses.
fn check_base64(text: &str) -> Result<(), String> {
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let body = bytes.iter().take_while(|b| good(b)).count();
    let padding = bytes.len() - body;
    let padded =
        bytes[body..].iter().all(|b| *b == b'=') && padding <= 2 && bytes.len().is_multiple_of(4) && body % 4 != 1;
    if padded {
        return Ok(());
    }
    let at = if body == bytes.len() { bytes.len() - body % 4 } else { body };
    Err(format!("illegal base64 data at input byte {at}"))
}

/// Writes an object as Go's encoder would: zero values of `omitempty` fields vanish, fields without `omitempty` appear.
/// Idempotent.
pub(super) fn normalize(node: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(map) if node.has_fields() => normalize_struct(node, map),
        Value::Object(map) => {
            if let Some(values) = node.additional() {
                for item in map.values_mut() {
                    normalize(values, item);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_node) = node.items() {
                for item in items {
                    normalize(item_node, item);
                }
            }
        }
        _ => {}
    }
}

fn normalize_struct(node: Node<'_>, map: &mut Map<String, Value>) {
    for (name, child) in node.own_fields() {
        let mode = child.go_field();
        match map.get_mut(name) {
            None | Some(Value::Null) => {
                map.remove(name);
                if mode == GoField::Always
                    && let Some(zero) = zero(child)
                {
                    map.insert(name.to_owned(), zero);
                }
            }
            Some(value) => {
                normalize(child, value);
                if mode == GoField::OmitEmpty && is_zero(child, value)
                    || mode == GoField::Pointer && is_empty_list(child, value)
                {
                    map.remove(name);
                }
            }
        }
    }
}

/// Lists and maps are never pointers in Go, whatever the table says.
fn is_empty_list(node: Node<'_>, value: &Value) -> bool {
    matches!(value, Value::Array(items) if items.is_empty() && node.kind() == Type::Array)
}

fn is_zero(node: Node<'_>, value: &Value) -> bool {
    if node.int_or_string() || node.quantity() || node.kind() == Type::Any {
        return false;
    }
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bool(on) => !on,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && !node.has_fields() && !node.preserves_unknown(),
        Value::Null => true,
    }
}

/// What Go writes for a field that is absent and has no `omitempty`; `None` where nothing sensible can be written.
fn zero(node: Node<'_>) -> Option<Value> {
    if node.quantity() {
        return Some("0".into());
    }
    if node.int_or_string() {
        return Some(0.into());
    }
    Some(match node.kind() {
        Type::Any => return None,
        Type::Object if node.has_fields() => {
            let mut value = json!({});
            normalize(node, &mut value);
            value
        }
        Type::Object | Type::Array => Value::Null,
        Type::String if is_time(node) => Value::Null,
        Type::String => "".into(),
        Type::Integer | Type::Number => 0.into(),
        Type::Boolean => false.into(),
    })
}
