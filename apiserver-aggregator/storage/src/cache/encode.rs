//! Adding `metadata.resourceVersion` to stored JSON without building and printing a tree.

use bytes::Bytes;
use serde_json::Value;

use crate::Revision;

/// Encoded JSON that carries its revision, and where in it the digits are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) digits_at: u32,
}

/// The stored JSON `value` with `metadata.resourceVersion` set to `revision`; `None` when it is not a JSON object.
#[must_use]
pub fn inject_resource_version(value: &[u8], revision: Revision) -> Option<Bytes> {
    let parsed: Value = serde_json::from_slice(value).ok()?;
    encode(value, &parsed, revision).map(|encoded| encoded.bytes)
}

/// The stored JSON as a tree, with `metadata.resourceVersion` set to `revision`; `None` when it is not a JSON object.
#[must_use]
pub fn decode_value(value: &[u8], revision: Revision) -> Option<Value> {
    let mut parsed: Value = serde_json::from_slice(value).ok()?;
    let metadata = parsed.as_object_mut()?.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
    metadata.as_object_mut()?.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
    Some(parsed)
}

/// Encodes `raw`, whose tree is `parsed`. Objects stored as they should be (a metadata map without resourceVersion) are
/// copied with an insertion; others are printed anew.
pub(super) fn encode(raw: &[u8], parsed: &Value, revision: Revision) -> Option<Encoded> {
    let root = parsed.as_object()?;
    let metadata = root.get("metadata").and_then(Value::as_object);
    if let Some(metadata) = metadata
        && !metadata.contains_key("resourceVersion")
        && let Some(at) = metadata_start(raw)
    {
        return Some(insert(raw, at, metadata.is_empty(), revision));
    }
    let mut root = root.clone();
    let metadata = root.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
    if !metadata.is_object() {
        *metadata = Value::Object(serde_json::Map::new());
    }
    let metadata = metadata.as_object_mut()?;
    metadata.remove("resourceVersion");
    let empty = metadata.is_empty();
    let raw = serde_json::to_vec(&root).ok()?;
    let at = metadata_start(&raw)?;
    Some(insert(&raw, at, empty, revision))
}

const FIELD: &[u8] = br#""resourceVersion":""#;

fn insert(raw: &[u8], at: usize, empty: bool, revision: Revision) -> Encoded {
    let mut digits = itoa(revision);
    let digits = digits.as_mut_slice();
    let mut bytes = Vec::with_capacity(raw.len() + FIELD.len() + digits.len() + 2);
    bytes.extend_from_slice(&raw[..at]);
    bytes.extend_from_slice(FIELD);
    // Objects are far smaller than 4 GiB; an offset that did not fit would only make a later splice refuse.
    let digits_at = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(digits);
    bytes.push(b'"');
    if !empty {
        bytes.push(b',');
    }
    bytes.extend_from_slice(&raw[at..]);
    Encoded { bytes: Bytes::from(bytes.into_boxed_slice()), digits_at }
}

/// The same object at another revision.
pub(super) fn replace_revision(bytes: &Bytes, digits_at: u32, revision: Revision) -> Bytes {
    let start = digits_at as usize;
    let Some(tail) = bytes.get(start..) else {
        return bytes.clone();
    };
    let old = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = itoa(revision);
    let mut replaced = Vec::with_capacity(bytes.len() + digits.len() - old);
    replaced.extend_from_slice(&bytes[..start]);
    replaced.extend_from_slice(&digits);
    replaced.extend_from_slice(&tail[old..]);
    Bytes::from(replaced.into_boxed_slice())
}

fn itoa(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Where the content of the top-level `metadata` map begins (just after its brace). `raw` is known to be valid JSON.
fn metadata_start(raw: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0usize;
    while at < raw.len() {
        match raw[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => {
                let end = string_end(raw, at)?;
                if depth == 1 && &raw[at + 1..end] == b"metadata" {
                    let mut next = skip_space(raw, end + 1);
                    if raw.get(next) == Some(&b':') {
                        next = skip_space(raw, next + 1);
                        return (raw.get(next) == Some(&b'{')).then(|| next + 1);
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The index of the quote that ends the string which starts at `at`.
fn string_end(raw: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match *raw.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn skip_space(raw: &[u8], mut at: usize) -> usize {
    while raw.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_version_is_added_and_replaced() {
        for (stored, expect) in [
            (
                r#"{"kind":"A","metadata":{"name":"x"}}"#,
                r#"{"kind":"A","metadata":{"resourceVersion":"7","name":"x"}}"#,
            ),
            (r#"{"metadata":{}}"#, r#"{"metadata":{"resourceVersion":"7"}}"#),
            (r#"{"metadata" : { "name":"x"}}"#, r#"{"metadata" : {"resourceVersion":"7", "name":"x"}}"#),
            // A nested map, a string value and an escaped quote before the real one do not mislead the scan.
            (
                r#"{"a":{"metadata":{"x":1}},"b":"metadata","c":"\"metadata\":{","metadata":{"name":"x"}}"#,
                r#"{"a":{"metadata":{"x":1}},"b":"metadata","c":"\"metadata\":{","metadata":{"resourceVersion":"7","name":"x"}}"#,
            ),
            (
                r#"{"metadata":{"name":"x","resourceVersion":"3"}}"#,
                r#"{"metadata":{"resourceVersion":"7","name":"x"}}"#,
            ),
            (r#"{"kind":"A"}"#, r#"{"kind":"A","metadata":{"resourceVersion":"7"}}"#),
            (r#"{"metadata":null}"#, r#"{"metadata":{"resourceVersion":"7"}}"#),
        ] {
            let parsed: Value = serde_json::from_str(stored).unwrap();
            let encoded = encode(stored.as_bytes(), &parsed, 7).unwrap();
            assert_eq!(std::str::from_utf8(&encoded.bytes).unwrap(), expect);
            let later = replace_revision(&encoded.bytes, encoded.digits_at, 1234);
            assert_eq!(std::str::from_utf8(&later).unwrap(), expect.replace("\"7\"", "\"1234\""));
        }
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for stored in ["[]", "3", "\"x\"", "{", ""] {
            assert_eq!(inject_resource_version(stored.as_bytes(), 1), None);
        }
    }
}
