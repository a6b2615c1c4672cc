//! Access to nested fields of objects whose shape nobody has checked, with Kubernetes' error texts.
//!
//! A missing field is not an error; a field of another type than asked for is, and the message says where and what it
//! was, as Kubernetes' own helpers word it.

use serde_json::{Map, Value};

/// The field at the path, or nothing when it or a parent is missing or null.
///
/// # Errors
/// A parent that is neither an object nor null.
pub fn nested<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, String> {
    let mut current = object;
    for (index, field) in path.iter().enumerate() {
        match current {
            Value::Null => return Ok(None),
            Value::Object(map) => match map.get(*field) {
                Some(value) => current = value,
                None => return Ok(None),
            },
            other => {
                return Err(accessor_error(&path[..=index], other, "map[string]interface{}"));
            }
        }
    }
    Ok(Some(current))
}

/// A string field.
///
/// # Errors
/// The field or a parent has another type.
pub fn nested_str<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a str>, String> {
    nested(object, path)?.map(|value| value.as_str().ok_or_else(|| accessor_error(path, value, "string"))).transpose()
}

/// An integer field.
///
/// # Errors
/// The field or a parent has another type.
pub fn nested_i64(object: &Value, path: &[&str]) -> Result<Option<i64>, String> {
    nested(object, path)?.map(|value| value.as_i64().ok_or_else(|| accessor_error(path, value, "int64"))).transpose()
}

/// An object field.
///
/// # Errors
/// The field or a parent has another type; null counts as another type.
pub fn nested_map<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Map<String, Value>>, String> {
    nested(object, path)?
        .map(|value| value.as_object().ok_or_else(|| accessor_error(path, value, "map[string]interface{}")))
        .transpose()
}

/// A list field.
///
/// # Errors
/// The field or a parent has another type; null counts as another type.
pub fn nested_list<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Vec<Value>>, String> {
    nested(object, path)?
        .map(|value| value.as_array().ok_or_else(|| accessor_error(path, value, "[]interface{}")))
        .transpose()
}

/// An object field all of whose values are strings.
///
/// # Errors
/// The field, a parent or a value has another type.
pub fn nested_string_map<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Map<String, Value>>, String> {
    let Some(map) = nested_map(object, path)? else {
        return Ok(None);
    };
    for (key, value) in map {
        if !value.is_string() {
            return Err(format!(
                "{} accessor error: contains non-string value in the map under key \"{key}\": {} is of the type {}, expected string",
                json_path(path),
                printed(value),
                type_name(value),
            ));
        }
    }
    Ok(Some(map))
}

/// Sets a field, making parents as needed.
///
/// # Errors
/// A parent that is there but is not an object.
pub fn set_nested(object: &mut Value, path: &[&str], value: Value) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else {
        *object = value;
        return Ok(());
    };
    let mut current = object;
    for (index, field) in parents.iter().enumerate() {
        let Value::Object(map) = current else {
            return Err(not_a_map(&path[..=index]));
        };
        current = map.entry((*field).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(map) = current else {
        return Err(not_a_map(&path[..path.len() - 1]));
    };
    map.insert((*last).to_owned(), value);
    Ok(())
}

fn not_a_map(path: &[&str]) -> String {
    format!("value cannot be set because {} is not a map[string]interface{{}}", json_path(path))
}

fn accessor_error(path: &[&str], value: &Value, expected: &str) -> String {
    format!(
        "{} accessor error: {} is of the type {}, expected {expected}",
        json_path(path),
        printed(value),
        type_name(value),
    )
}

fn json_path(path: &[&str]) -> String {
    path.iter().map(|field| format!(".{field}")).collect()
}

/// The name of the type that Kubernetes' dynamic objects use for such a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The value as Kubernetes' messages print it: without quotes, lists in brackets, objects as `map[key:value]`.
pub fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(printed).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", printed(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}
