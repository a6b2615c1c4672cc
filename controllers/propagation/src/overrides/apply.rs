//! Applying overriders to an object: images, commands, arguments, labels, annotations, documents in fields, plain text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::doc::Doc;
use super::image::Image;
use super::overriders::{DocumentChange, FieldChange, ImageChange, KeysChange, Overriders, Plaintext, WordsChange};
use super::patch::{self, Operation, escape};
use super::{OverrideError, yaml};
use crate::object;

/// Applies overriders in their fixed order. When one fails, what was done before stays done.
pub(super) fn apply(object: &mut Value, overriders: &Overriders) -> Result<(), OverrideError> {
    let Overriders {
        plaintext,
        image_overrider,
        command_overrider,
        args_overrider,
        labels_overrider,
        annotations_overrider,
        field_overrider,
    } = overriders;
    for change in image_overrider {
        image(object, change)?;
    }
    for change in command_overrider {
        words(object, "command", change);
    }
    for change in args_overrider {
        words(object, "args", change);
    }
    for change in labels_overrider {
        keys(object, "labels", change)?;
    }
    for change in annotations_overrider {
        keys(object, "annotations", change)?;
    }
    for change in field_overrider {
        field(object, change)?;
    }
    plain(object, plaintext)
}

fn fail<T>(message: impl Into<String>) -> Result<T, OverrideError> {
    Err(OverrideError(message.into()))
}

/// Where well-known workloads have their containers.
fn containers_path(object: &Value) -> Option<&'static str> {
    match (object::api_version(object), object::kind(object)) {
        ("v1", "Pod") => Some("/spec/containers"),
        ("apps/v1", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") | ("batch/v1", "Job") => {
            Some("/spec/template/spec/containers")
        }
        _ => None,
    }
}

fn containers_mut(object: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let path = containers_path(object);
    path.and_then(|path| object.pointer_mut(path))
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn image(object: &mut Value, change: &ImageChange) -> Result<(), OverrideError> {
    let changed = |text: &str| -> Result<String, OverrideError> {
        let mut image = Image::parse(text)
            .map_err(|error| OverrideError(format!("failed to parse image value({text}), error: {error}")))?;
        image.change(&change.component, &change.operator, &change.value).map_err(OverrideError)?;
        Ok(image.to_string())
    };
    if let Some(predicate) = &change.predicate {
        let path = &predicate.path;
        if !path.starts_with('/') {
            return fail("imagePath should be start with / character");
        }
        let text = image_at(object, path).map_err(|error| {
            OverrideError(format!("failed to obtain imageValue with predicate path({path}), error: {error}"))
        })?;
        let new = changed(&text)?;
        return patch_object(
            object,
            &[Operation { op: "replace".to_owned(), path: path.clone(), value: Some(Doc::Text(new)) }],
        );
    }
    // All images are changed or none.
    let mut images = Vec::new();
    for container in containers_mut(object) {
        let text = container.get("image").and_then(Value::as_str).unwrap_or_default();
        images.push(changed(text)?);
    }
    for (container, image) in containers_mut(object).zip(images) {
        container.insert("image".to_owned(), Value::from(image));
    }
    Ok(())
}

fn image_at(object: &Value, path: &str) -> Result<String, String> {
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let mut current = object;
    for (index, word) in words.iter().enumerate() {
        let next = match current {
            Value::Object(map) => map.get(*word),
            Value::Array(items) => {
                let position: usize = word
                    .parse()
                    .map_err(|_| format!("path({word}) of rawObj is not a valid index of []interface{{}}"))?;
                items.get(position)
            }
            _ => None,
        };
        let last = index + 1 == words.len();
        current = match next {
            Some(Value::String(text)) if last => return Ok(text.clone()),
            _ if last => return Err(format!("failed to convert path({word}) to string")),
            Some(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => {
                return Err(format!(
                    "path({word}) of rawObj's type is not map[string]interface{{}} and []interface{{}}"
                ));
            }
        };
    }
    Err("failed to convert path() to string".to_owned())
}

/// Adds words to, or removes them from, the command or arguments of the named containers.
fn words(object: &mut Value, field: &str, change: &WordsChange) {
    for container in containers_mut(object) {
        if container.get("name").and_then(Value::as_str) != Some(&change.container_name) {
            continue;
        }
        let list = container.get(field).and_then(Value::as_array);
        let current: Vec<Value> = list.into_iter().flatten().map(|word| Value::from(printed_word(word))).collect();
        let new = match change.operator.as_str() {
            "add" if change.value.is_empty() && current.is_empty() => continue,
            "add" => current.into_iter().chain(change.value.iter().map(|word| Value::from(word.as_str()))).collect(),
            "remove" => current.into_iter().filter(|word| !change.value.iter().any(|gone| word == gone)).collect(),
            _ => continue,
        };
        container.insert(field.to_owned(), Value::Array(new));
    }
}

/// Words that are not strings don't belong in a command; they print as Go prints a value of an unexpected type.
fn printed_word(word: &Value) -> String {
    match word {
        Value::String(text) => text.clone(),
        other => {
            let kind = karmada_interpreter::unstructured::type_name(other);
            format!("%!s({kind}={})", karmada_interpreter::unstructured::printed(other))
        }
    }
}

/// Labels or annotations that are all strings; otherwise they count as none, and the first addition replaces them.
fn string_map(object: &Value, field: &str) -> Option<BTreeMap<String, String>> {
    object
        .get("metadata")?
        .get(field)?
        .as_object()?
        .iter()
        .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn keys(object: &mut Value, field: &str, change: &KeysChange) -> Result<(), OverrideError> {
    let mut operations = Vec::new();
    let present = string_map(object, field);
    if present.is_none() && change.operator == "add" && !change.value.is_empty() {
        operations.push(Operation {
            op: "add".to_owned(),
            path: format!("/metadata/{field}"),
            value: Some(Doc::Object(Vec::new())),
        });
    }
    for (key, value) in &change.value {
        let is_present = present.as_ref().is_some_and(|map| map.contains_key(key));
        if !is_present && matches!(change.operator.as_str(), "remove" | "replace") {
            continue;
        }
        operations.push(Operation {
            op: change.operator.clone(),
            path: format!("/metadata/{field}/{}", escape(key)),
            value: Some(Doc::Text(value.clone())),
        });
    }
    patch_object(object, &operations)
}

fn patch_object(object: &mut Value, operations: &[Operation]) -> Result<(), OverrideError> {
    if operations.is_empty() {
        return Ok(());
    }
    let mut doc = Doc::from(&*object);
    for operation in operations {
        patch::apply(&mut doc, operation).map_err(OverrideError)?;
    }
    *object = doc.into();
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() {
        return fail(format!("Object 'Kind' is missing in '{}'", Doc::from(&*object)));
    }
    Ok(())
}

fn plain(object: &mut Value, changes: &[Plaintext]) -> Result<(), OverrideError> {
    let operations: Vec<Operation> = changes
        .iter()
        .map(|change| Operation {
            op: change.operator.clone(),
            path: change.path.clone(),
            value: (change.operator != "remove" || !change.value.is_null()).then(|| Doc::from(&change.value)),
        })
        .collect();
    patch_object(object, &operations)
}

fn field(object: &mut Value, change: &FieldChange) -> Result<(), OverrideError> {
    let path = &change.field_path;
    let text = match pointed(object, path)? {
        Value::String(text) => text.clone(),
        _ => return fail(format!("Get object's value by overrider's path({path}) is not string")),
    };
    let mut result = None;
    if !change.json.is_empty() {
        result = Some(patch_json(&text, &change.json).map_err(OverrideError)?);
    }
    if !change.yaml.is_empty() {
        result = Some(patch_yaml(&text, &change.yaml).map_err(OverrideError)?);
    }
    if let (Some(new), Some(place)) = (result, object.pointer_mut(path)) {
        *place = Value::from(new);
    }
    Ok(())
}

/// The value at a JSON pointer, with the messages of upstream's pointer library.
fn pointed<'a>(object: &'a Value, path: &str) -> Result<&'a Value, OverrideError> {
    if !path.is_empty() && !path.starts_with('/') {
        return fail("JSON pointer must be empty or start with a \"/\"\nJSON pointer error");
    }
    let mut current = object;
    for word in path.split('/').skip(1).map(patch::unescape) {
        current = match current {
            Value::Object(map) => match map.get(&word) {
                Some(value) => value,
                None => return fail(format!("object has no key \"{word}\": JSON pointer error")),
            },
            Value::Array(items) => match word.parse::<usize>() {
                Ok(index) => match items.get(index) {
                    Some(value) => value,
                    None => {
                        let last = items.len().saturating_sub(1);
                        return fail(format!(
                            "index out of bounds array[0,{last}] index '{index}': JSON pointer error"
                        ));
                    }
                },
                Err(_) => {
                    return fail(format!("strconv.Atoi: parsing \"{word}\": invalid syntax: JSON pointer error"));
                }
            },
            _ => return fail(format!("invalid token reference \"{word}\": JSON pointer error")),
        };
    }
    Ok(current)
}

fn patch_json(text: &str, changes: &[DocumentChange]) -> Result<String, String> {
    // Nothing is what a patch of nothing gives.
    if text.is_empty() {
        return Ok(String::new());
    }
    let mut doc = Doc::parse(text).ok_or("invalid state detected")?;
    patch_document(&mut doc, changes)?;
    Ok(doc.to_string())
}

fn patch_yaml(text: &str, changes: &[DocumentChange]) -> Result<String, String> {
    let mut doc = yaml::parse(text)?;
    patch_document(&mut doc, changes)?;
    Ok(yaml::print(&doc))
}

fn patch_document(doc: &mut Doc, changes: &[DocumentChange]) -> Result<(), String> {
    for change in changes {
        let path = &change.sub_path;
        if !path.is_empty() {
            match doc {
                Doc::Object(_) | Doc::List(_) => {}
                Doc::Null => {
                    let op = &change.operator;
                    return Err(format!("error in {op} for path: '{path}': invalid value, expected object"));
                }
                other => {
                    let kind = other.kind();
                    return Err(format!(
                        "json: cannot unmarshal {kind} into Go value of type map[string]*jsonpatch.lazyNode"
                    ));
                }
            }
        }
        let operation =
            Operation { op: change.operator.clone(), path: path.clone(), value: Some(Doc::from(&change.value)) };
        patch::apply(doc, &operation)?;
    }
    Ok(())
}
