//! JSON patches as upstream's library applies them, down to its messages: users read them in events.
//!
//! Differences to RFC 6902 that are kept because policies rely on them: replacing needs the key to exist, a path without
//! a leading slash loses its first word, list indexes may have leading zeros or be negative.

use super::doc::Doc;

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    pub(super) op: String,
    pub(super) path: String,
    /// The value; nothing when the operation has none.
    pub(super) value: Option<Doc>,
}

/// Applies one operation.
pub(super) fn apply(doc: &mut Doc, operation: &Operation) -> Result<(), String> {
    let Operation { op, path, value } = operation;
    let new = || value.clone().unwrap_or(Doc::Null);
    match op.as_str() {
        "add" => {
            if path.is_empty() {
                *doc = new();
                return Ok(());
            }
            let (container, key) = find(doc, path).ok_or_else(|| {
                format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
            })?;
            add(container, &key, new()).map_err(|error| format!("error in add for path: '{path}': {error}"))
        }
        "remove" => {
            let (container, key) = find(doc, path).ok_or_else(|| {
                format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
            })?;
            remove(container, &key).map_err(|error| format!("error in remove for path: '{path}': {error}"))
        }
        "replace" => {
            if path.is_empty() {
                *doc = new();
                return Ok(());
            }
            let (container, key) = find(doc, path).ok_or_else(|| {
                format!("replace operation does not apply: doc is missing path: {path}: missing value")
            })?;
            match slot(container, &key) {
                Some(slot) => {
                    *slot = new();
                    Ok(())
                }
                None => Err(format!("replace operation does not apply: doc is missing key: {path}: missing value")),
            }
        }
        "test" => {
            let found = if path.is_empty() {
                Some(&*doc)
            } else {
                let (container, key) = find(doc, path)
                    .ok_or_else(|| format!("test operation does not apply: is missing path: {path}: missing value"))?;
                slot(container, &key).map(|slot| &*slot)
            };
            if found == value.as_ref() || (found.is_none() && matches!(value, None | Some(Doc::Null))) {
                Ok(())
            } else {
                Err(format!("testing value {path} failed: test failed"))
            }
        }
        _ => Err(format!("invalid operation {}: unsupported operation", described(operation))),
    }
}

fn described(operation: &Operation) -> Doc {
    let mut entries = vec![
        ("op".to_owned(), Doc::Text(operation.op.clone())),
        ("path".to_owned(), Doc::Text(operation.path.clone())),
    ];
    if let Some(value) = &operation.value {
        entries.push(("value".to_owned(), value.clone()));
    }
    Doc::Object(entries)
}

/// A key of an object or index of a list, as written in a path.
pub(super) fn unescape(word: &str) -> String {
    word.replace("~1", "/").replace("~0", "~")
}

/// A key as a path writes it.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The container of the place that a path names, and the last word of the path.
fn find<'a>(doc: &'a mut Doc, path: &str) -> Option<(&'a mut Doc, String)> {
    let words: Vec<&str> = path.split('/').collect();
    if words.len() < 2 {
        return None;
    }
    let (last, parents) = words[1..].split_last()?;
    let mut current = doc;
    for word in parents {
        current = slot(current, &unescape(word))?;
    }
    matches!(current, Doc::Object(_) | Doc::List(_)).then(|| (current, unescape(last)))
}

/// The value at a key or index, if there is one.
fn slot<'a>(container: &'a mut Doc, key: &str) -> Option<&'a mut Doc> {
    match container {
        Doc::Object(entries) => entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
        Doc::List(items) => {
            let index = existing_index(key, items.len()).ok()?;
            items.get_mut(index)
        }
        _ => None,
    }
}

fn parse_index(key: &str) -> Result<i64, String> {
    key.parse().map_err(|_| {
        format!("value was not a proper array index: '{key}': strconv.Atoi: parsing \"{key}\": invalid syntax")
    })
}

fn existing_index(key: &str, len: usize) -> Result<usize, String> {
    let index = parse_index(key)?;
    let from_start = if index < 0 { index.saturating_add_unsigned(len as u64) } else { index };
    usize::try_from(from_start)
        .ok()
        .filter(|index| *index < len)
        .ok_or_else(|| format!("Unable to access invalid index: {index}: invalid index referenced"))
}

fn add(container: &mut Doc, key: &str, value: Doc) -> Result<(), String> {
    match container {
        Doc::Object(entries) => {
            match entries.iter_mut().find(|(name, _)| name == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key.to_owned(), value)),
            }
            Ok(())
        }
        Doc::List(items) if key == "-" => {
            items.push(value);
            Ok(())
        }
        Doc::List(items) => {
            // One past the end is a valid place to insert at.
            let index = existing_index(key, items.len() + 1)?;
            items.insert(index, value);
            Ok(())
        }
        other => Err(format!("unexpected kind: {}", other.kind())),
    }
}

fn remove(container: &mut Doc, key: &str) -> Result<(), String> {
    match container {
        Doc::Object(entries) => match entries.iter().position(|(name, _)| name == key) {
            Some(index) => {
                entries.remove(index);
                Ok(())
            }
            None => Err(format!("unable to remove nonexistent key: {key}: missing value")),
        },
        Doc::List(items) => {
            let index = existing_index(key, items.len())?;
            items.remove(index);
            Ok(())
        }
        other => Err(format!("unexpected kind: {}", other.kind())),
    }
}
