//! What Kubernetes' typed objects make of a value: checks of types, and canonical form.
//!
//! Karmada reads templates into typed objects and writes them back. That has visible consequences: fields of a wrong
//! type are refused, quantities and times get their canonical form, and some fields appear although nobody set them
//! (`resources: {}`, `strategy: {}`). This module reproduces these from a table of the types, with one deliberate
//! difference: fields that the table doesn't know are kept, not lost.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use karmada_api::quantity::{Amount, Error as QuantityError};

/// One type a line: its name, then its fields as `name:type` and a mark. `!`: written even when it holds nothing;
/// `?`: the same, but written as null; `-`: not written when it is zero.
const TABLE: &str = include_str!("types.txt");

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Optional,
    Always,
    Null,
    OmitZero,
}

enum Type {
    Text,
    Int32,
    Int64,
    Bool,
    Float,
    Quantity,
    Time,
    IntOrString,
    Any,
    Struct(&'static str),
    List(Box<Self>),
    Dict(Box<Self>),
}

struct Field {
    name: &'static str,
    kind: Type,
    mark: Mark,
}

static TYPES: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            Some((name, words.filter_map(parse_field).collect()))
        })
        .collect()
});

fn parse_field(word: &'static str) -> Option<Field> {
    let (name, kind) = word.split_once(':')?;
    let (kind, mark) = match kind.as_bytes().last() {
        Some(b'!') => (&kind[..kind.len() - 1], Mark::Always),
        Some(b'?') => (&kind[..kind.len() - 1], Mark::Null),
        Some(b'-') => (&kind[..kind.len() - 1], Mark::OmitZero),
        _ => (kind, Mark::Optional),
    };
    Some(Field { name, kind: parse_type(kind), mark })
}

fn parse_type(text: &'static str) -> Type {
    if let Some(item) = text.strip_prefix("[]") {
        return Type::List(Box::new(parse_type(item)));
    }
    if let Some(item) = text.strip_prefix("{}") {
        return Type::Dict(Box::new(parse_type(item)));
    }
    match text {
        "str" | "bytes" => Type::Text,
        "i32" => Type::Int32,
        "i64" => Type::Int64,
        "bool" => Type::Bool,
        "f64" => Type::Float,
        "qty" => Type::Quantity,
        "time" | "microtime" => Type::Time,
        "ios" => Type::IntOrString,
        "any" => Type::Any,
        name => Type::Struct(name),
    }
}

/// Checks a value against a type of the table and gives its canonical form.
///
/// # Errors
/// A field of another type than declared, in Kubernetes' words.
pub(super) fn canonical(type_name: &'static str, value: &Value) -> Result<Value, String> {
    convert(&Type::Struct(type_name), value)
}

/// Whether the table knows such a field of the type.
pub(super) fn has_field(type_name: &str, field: &str) -> bool {
    TYPES.get(type_name).is_some_and(|fields| fields.iter().any(|known| known.name == field))
}

fn convert(kind: &Type, value: &Value) -> Result<Value, String> {
    match kind {
        Type::Any => Ok(value.clone()),
        Type::Text => match value {
            Value::String(_) => Ok(value.clone()),
            Value::Number(_) => Err("cannot convert int64 to string".to_owned()),
            _ => Err("unrecognized type: string".to_owned()),
        },
        Type::Bool => match value {
            Value::Bool(_) => Ok(value.clone()),
            _ => Err("unrecognized type: bool".to_owned()),
        },
        // Upstream keeps the low 32 bits of a larger number.
        Type::Int32 => integer(value, "int32").map(|number| Value::from(number as i32)),
        Type::Int64 => integer(value, "int64").map(Value::from),
        Type::Float => match value {
            Value::Number(_) => Ok(value.clone()),
            _ => Err("unrecognized type: float64".to_owned()),
        },
        Type::Quantity => {
            amount(value).map(|amount| Value::from(amount.to_string())).map_err(|error| error.to_string())
        }
        Type::Time => time(value),
        Type::IntOrString => match value {
            Value::String(_) => Ok(value.clone()),
            Value::Number(number) if number.is_i64() => Ok(value.clone()),
            _ => Err("json: cannot unmarshal value into Go value of type int32".to_owned()),
        },
        Type::List(item) => match value {
            Value::Array(items) => {
                items.iter().map(|element| convert_or_zero(item, element)).collect::<Result<_, _>>().map(Value::Array)
            }
            other => Err(format!("cannot restore slice from {}", go_kind(other))),
        },
        Type::Dict(item) => match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, element)| Ok((key.clone(), convert_or_zero(item, element)?)))
                .collect::<Result<_, String>>()
                .map(Value::Object),
            other => Err(format!("cannot restore map from {}", go_kind(other))),
        },
        Type::Struct(name) => match value {
            Value::Object(map) => structure(name, map).map(Value::Object),
            other => Err(format!("cannot restore struct from: {}", go_kind(other))),
        },
    }
}

fn convert_or_zero(kind: &Type, value: &Value) -> Result<Value, String> {
    if value.is_null() { Ok(zero(kind)) } else { convert(kind, value) }
}

fn structure(name: &str, map: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let Some(fields) = TYPES.get(name) else {
        return Ok(map.clone());
    };
    let mut result = map.clone();
    for field in fields {
        match map.get(field.name) {
            None | Some(Value::Null) => match field.mark {
                Mark::Always => {
                    result.insert(field.name.to_owned(), zero(&field.kind));
                }
                Mark::Null => {
                    result.insert(field.name.to_owned(), Value::Null);
                }
                Mark::Optional | Mark::OmitZero => {
                    result.remove(field.name);
                }
            },
            Some(value) => {
                let value = convert(&field.kind, value)?;
                if is_omitted(field.mark, &field.kind, &value) {
                    result.remove(field.name);
                } else {
                    result.insert(field.name.to_owned(), value);
                }
            }
        }
    }
    Ok(result)
}

fn is_omitted(mark: Mark, kind: &Type, value: &Value) -> bool {
    match mark {
        Mark::Always | Mark::Null => false,
        Mark::OmitZero => match value {
            Value::String(text) => text.is_empty(),
            Value::Number(number) => number.as_i64() == Some(0),
            Value::Bool(flag) => !flag,
            _ => false,
        },
        Mark::Optional => match (kind, value) {
            (Type::List(_), Value::Array(items)) => items.is_empty(),
            (Type::Dict(_), Value::Object(map)) => map.is_empty(),
            _ => false,
        },
    }
}

/// What a field that nobody set is written as.
fn zero(kind: &Type) -> Value {
    match kind {
        Type::Text => Value::from(""),
        Type::Int32 | Type::Int64 | Type::Float | Type::IntOrString => Value::from(0),
        Type::Bool => Value::Bool(false),
        Type::Quantity => Value::from("0"),
        Type::Time | Type::Any | Type::List(_) | Type::Dict(_) => Value::Null,
        Type::Struct(name) => structure(name, &Map::new()).map_or_else(|_| Value::Object(Map::new()), Value::Object),
    }
}

fn integer(value: &Value, kind: &str) -> Result<i64, String> {
    match value {
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                return Ok(whole);
            }
            match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 9.2e18 => Ok(float as i64),
                _ => Err(format!("cannot convert float64 to {kind}")),
            }
        }
        _ => Err(format!("unrecognized type: {kind}")),
    }
}

/// Reads a quantity, which may be written as a string or as a number.
pub(super) fn amount(value: &Value) -> Result<Amount, QuantityError> {
    match value {
        Value::String(text) => Amount::parse(text),
        Value::Number(number) => Amount::parse(&number.to_string()),
        _ => Err(QuantityError::Format),
    }
}

fn time(value: &Value) -> Result<Value, String> {
    let Value::String(text) = value else {
        return Err(format!("json: cannot unmarshal {} into Go value of type string", json_kind(value)));
    };
    text.parse::<jiff::Timestamp>().map(|time| Value::from(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())).map_err(
        |_| format!("parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\""),
    )
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// What a JSON decoder calls such a value.
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

/// Checks a member's reported status, which comes as JSON and not as an object: the same rules, but numbers must fit,
/// and the messages are the JSON decoder's.
///
/// # Errors
/// The status is not an object, or a field has another type than declared.
pub(super) fn decode(type_name: &'static str, wrapper: &str, status: &Value) -> Result<Map<String, Value>, String> {
    let Value::Object(map) = status else {
        return Err(format!("json: cannot unmarshal {} into Go value of type {wrapper}", json_kind(status)));
    };
    for field in TYPES.get(type_name).into_iter().flatten() {
        let Some(value) = map.get(field.name).filter(|value| !value.is_null()) else {
            continue;
        };
        let (fits, expected) = match field.kind {
            Type::Int32 => (value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()), "int32"),
            Type::Int64 => (value.is_i64(), "int64"),
            _ => (true, ""),
        };
        if !fits {
            let number = value.as_number().map(|number| format!(" {number}")).unwrap_or_default();
            return Err(format!(
                "json: cannot unmarshal {}{number} into Go struct field {wrapper}.{} of type {expected}",
                json_kind(value),
                field.name
            ));
        }
        if let Err(error) = convert(&field.kind, value) {
            return Err(format!(
                "json: cannot unmarshal {} into Go struct field {wrapper}.{}: {error}",
                json_kind(value),
                field.name
            ));
        }
    }
    structure(type_name, map)
}
