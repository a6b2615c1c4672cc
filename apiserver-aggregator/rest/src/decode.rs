//! Request bodies: JSON and YAML into values, with the errors that Go's decoders give.

use std::{cell::RefCell, fmt};

use karmada_machinery::{Reason, StatusError, protobuf};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep a body may be nested. Deeper ones are refused before they can exhaust a stack: `serde_json` stops at 128 by
/// itself, YAML is held to the same.
const DEPTH_LIMIT: usize = 128;

/// At most so many duplicate fields are named.
const DUPLICATES_MAX: usize = 100;

/// A decoded body.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The value.
    pub value: Value,
    /// What is wrong with it but does not prevent decoding: texts such as `duplicate field "metadata.name"`.
    pub duplicates: Vec<String>,
}

/// Decodes JSON. The error is Go's text.
pub(crate) fn json(bytes: &[u8]) -> Result<Decoded, String> {
    let found = RefCell::new(Vec::new());
    let seed = Seed { path: &Path::Root, found: &found, depth: 0, yaml: None };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok(Decoded { value, duplicates: found.into_inner() }),
        Err(error) => Err(crate::gojson::syntax_error(bytes).unwrap_or_else(|| error.to_string())),
    }
}

/// Decodes YAML. The error is close to the text of Go's decoder.
pub(crate) fn yaml(bytes: &[u8]) -> Result<Decoded, String> {
    let found = RefCell::new(Vec::new());
    let seed = Seed { path: &Path::Root, found: &found, depth: 0, yaml: Some(bytes) };
    let mut documents = serde_yaml_ng::Deserializer::from_slice(bytes);
    let Some(document) = documents.next() else {
        return Ok(Decoded { value: Value::Null, duplicates: Vec::new() });
    };
    match seed.deserialize(document) {
        Ok(value) => {
            let duplicates = found.into_inner();
            let duplicates = duplicates.into_iter().map(|text| with_line(bytes, text)).collect();
            Ok(Decoded { value, duplicates })
        }
        Err(error) => Err(yaml_error(&error)),
    }
}

/// Adds the line of a duplicate key, as Go's decoder tells it. The decoder does not say where it was; the second line of
/// the same indentation that starts with the key is it in all but contrived documents.
fn with_line(bytes: &[u8], text: String) -> String {
    let key = text.trim_start_matches("key ").split("\" already").next().unwrap_or_default().trim_start_matches('"');
    let document = String::from_utf8_lossy(bytes);
    let mut seen: Vec<usize> = Vec::new();
    for (number, line) in document.lines().enumerate() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let name = content.split(':').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        seen.retain(|other| *other <= indent || content.is_empty());
        if name == key && content.contains(':') {
            if seen.contains(&indent) {
                return format!("line {}: {text}", number + 1);
            }
            seen.push(indent);
        }
    }
    text
}

fn yaml_error(error: &serde_yaml_ng::Error) -> String {
    // Go counts the line on which the parser was before it stumbled.
    let line = error.location().map_or(1, |l| l.line().saturating_sub(1)).max(1);
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text).split(", while").next().unwrap_or(&text).to_owned();
    format!("yaml: line {line}: {text}")
}

/// The media type of Kubernetes' protobuf encoding, which typed clients send for built-in kinds.
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// 415 for bodies of a type that is not understood.
pub(crate) fn unsupported_media_type() -> StatusError {
    StatusError::new(
        415,
        Reason::UnsupportedMediaType,
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

/// Decodes an object by its media type.
pub(crate) fn object(media_type: &str, body: &[u8]) -> Result<Decoded, StatusError> {
    let decoded = match media_type {
        "" | "application/json" => json(body)
            .map_err(|e| StatusError::bad_request(format!("couldn't get version/kind; json parse error: {e}"))),
        "application/yaml" => yaml(body)
            .map_err(|e| StatusError::bad_request(format!("yaml parse error: error converting YAML to JSON: {e}"))),
        PROTOBUF => match protobuf::decode(body) {
            Ok(value) => Ok(Decoded { value, duplicates: Vec::new() }),
            Err(protobuf::Error::UnknownKind(_)) => Err(unsupported_media_type()),
            Err(error) => Err(StatusError::bad_request(error.to_string())),
        },
        _ => Err(unsupported_media_type()),
    }?;
    if decoded.value.is_object() {
        return Ok(decoded);
    }
    let kind = match &decoded.value {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        // Go decodes null into an empty struct, and then misses the kind.
        Value::Null | Value::Object(_) => {
            return Ok(Decoded { value: Value::Object(Map::new()), duplicates: Vec::new() });
        }
    };
    Err(StatusError::bad_request(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {kind} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    )))
}

/// The way to the value that is being decoded.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    path: &'a Path<'a>,
    found: &'a RefCell<Vec<String>>,
    depth: usize,
    /// The document, if it is YAML.
    yaml: Option<&'a [u8]>,
}

/// The words that YAML 1.1 takes for booleans besides `true` and `false`, which Go's decoder still does.
const TRUE_WORDS: &[&str] = &["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE_WORDS: &[&str] = &["n", "N", "no", "No", "NO", "off", "Off", "OFF"];

/// Whether text of a YAML document is a plain word for a boolean. A word in quotes is text.
fn plain_boolean(document: Option<&[u8]>, text: &str) -> Option<bool> {
    let document = document?;
    let value = if TRUE_WORDS.contains(&text) {
        true
    } else if FALSE_WORDS.contains(&text) {
        false
    } else {
        return None;
    };
    let offset = (text.as_ptr() as usize).checked_sub(document.as_ptr() as usize)?;
    if offset + text.len() > document.len() {
        return None;
    }
    let before = offset.checked_sub(1).and_then(|index| document.get(index));
    (!matches!(before, Some(b'"' | b'\''))).then_some(value)
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > DEPTH_LIMIT {
            return Err(D::Error::custom("exceeded max depth"));
        }
        deserializer.deserialize_any(self)
    }
}

/// A map key: a string, or a scalar that YAML allows and JSON writes as a string.
struct KeySeed<'a>(Option<&'a [u8]>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<String, E> {
        Ok(plain_boolean(self.0, v).map_or_else(|| v.to_owned(), |value| value.to_string()))
    }

    fn visit_str<E>(self, v: &str) -> Result<String, E> {
        Ok(v.to_owned())
    }

    fn visit_string<E>(self, v: String) -> Result<String, E> {
        Ok(v)
    }

    fn visit_bool<E>(self, v: bool) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_i64<E>(self, v: i64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_u64<E>(self, v: u64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_f64<E>(self, v: f64) -> Result<String, E> {
        Ok(v.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Value, E> {
        Ok(plain_boolean(self.yaml, v).map_or_else(|| Value::String(v.to_owned()), Value::Bool))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let path = Path::Index(self.path, items.len());
            let seed = Seed { path: &path, depth: self.depth + 1, ..self };
            match access.next_element_seed(seed)? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key_seed(KeySeed(self.yaml))? {
            let path = Path::Key(self.path, &key);
            let value = access.next_value_seed(Seed { path: &path, depth: self.depth + 1, ..self })?;
            if map.contains_key(&key) {
                let mut found = self.found.borrow_mut();
                if found.len() < DUPLICATES_MAX {
                    let text = if self.yaml.is_some() {
                        format!("key {key:?} already set in map")
                    } else {
                        format!("duplicate field \"{path}\"")
                    };
                    found.push(text);
                }
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_booleans_in_yaml() {
        let decoded = yaml(b"yes: 'no'\na: no\n\"on\": \"off\"\nl: [y, 'n', yy]\n").unwrap();
        assert_eq!(decoded.value, serde_json::json!({"true": "no", "a": false, "on": "off", "l": [true, "n", "yy"]}));
    }

    #[test]
    fn duplicates_are_found_with_their_path() {
        let decoded = json(br#"{"metadata":{"name":"a","name":"b"},"l":[{"x":1,"x":2}]}"#).unwrap();
        assert_eq!(decoded.duplicates, ["duplicate field \"metadata.name\"", "duplicate field \"l[0].x\""]);
        assert_eq!(decoded.value["metadata"]["name"], "b");
    }

    #[test]
    fn deep_bodies_are_refused_not_followed() {
        let deep = "[".repeat(100_000);
        assert!(json(deep.as_bytes()).is_err());
        assert!(yaml(deep.as_bytes()).is_err());
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(json(deep.as_bytes()).is_err());
    }

    #[test]
    fn go_texts() {
        for (body, text) in [
            ("{nope", "invalid character 'n' looking for beginning of object key string"),
            ("", "unexpected end of JSON input"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("nul1", "invalid character '1' in literal null (expecting 'l')"),
        ] {
            assert_eq!(json(body.as_bytes()).unwrap_err(), text, "{body}");
        }
    }
}
