//! Kubernetes' protobuf encoding of built-in kinds, read into JSON values.
//!
//! kubectl and other clients made of client-go's typed clients send it, and do not fall back to JSON. Which number stands
//! for which field is a fact of the wire format that no OpenAPI document tells: the asset lists messages and fields as the
//! descriptors inside kubectl do, one message a line, `number:name:type` a field, where a type is a letter, a message, or
//! `*` (list) or `%` (map from strings) before either. Fields that JSON has inline have a message of their own here; that
//! the schema does not know their name tells them apart.

use std::{collections::HashMap, io::Read as _, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::{
    gvk::{GroupVersion, GroupVersionKind},
    schema::{self, GoField, Node, Schema},
};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Deeper nesting is an attack: no kind comes near it but JSON schemas, which are not sent this way.
const DEPTH_LIMIT: usize = 64;
const META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.";

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no protobuf envelope of Kubernetes.
    #[error("provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}")]
    Prefix,
    /// It ends too early, or a length or tag makes no sense.
    #[error("malformed protobuf: {0}")]
    Malformed(&'static str),
    /// It names no kind, or one that has no protobuf form.
    #[error("no protobuf form of {0} is known")]
    UnknownKind(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Type {
    Integer,
    Bool,
    Double,
    Float,
    Text,
    Bytes,
    Message(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    One,
    List,
    Map,
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    shape: Shape,
    kind: Type,
}

type Messages = HashMap<Box<str>, HashMap<u32, Field>>;

fn messages() -> &'static Messages {
    static ALL: OnceLock<Messages> = OnceLock::new();
    ALL.get_or_init(|| {
        let asset: &[u8] = include_bytes!("../assets/protobuf-messages.txt.gz");
        let mut text = String::new();
        // The asset is part of the binary and read in a test.
        GzDecoder::new(asset).read_to_string(&mut text).expect("the embedded asset is a gzip stream");
        text.lines().filter_map(message).collect()
    })
}

fn message(line: &str) -> Option<(Box<str>, HashMap<u32, Field>)> {
    let mut words = line.split(' ');
    let name = words.next()?.into();
    let fields = words.filter_map(|word| {
        let mut parts = word.splitn(3, ':');
        let (number, name, kind) = (parts.next()?.parse().ok()?, parts.next()?.into(), parts.next()?);
        let (shape, kind) = match (kind.strip_prefix('*'), kind.strip_prefix('%')) {
            (Some(item), _) => (Shape::List, item),
            (_, Some(value)) => (Shape::Map, value),
            _ => (Shape::One, kind),
        };
        let kind = match kind {
            "i" => Type::Integer,
            "b" => Type::Bool,
            "d" => Type::Double,
            "f" => Type::Float,
            "s" => Type::Text,
            "y" => Type::Bytes,
            message => Type::Message(message.into()),
        };
        Some((number, Field { name, shape, kind }))
    });
    Some((name, fields.collect()))
}

/// A cursor over encoded fields.
struct Reader<'a>(&'a [u8]);

enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Error::Malformed("unexpected end"))?;
            self.0 = rest;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::Malformed("integer overflow"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::Malformed("unexpected end"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Error::Malformed("illegal tag"))?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| Error::Malformed("unexpected end"))?;
                Wire::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Error::Malformed("illegal length"))?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| Error::Malformed("unexpected end"))?;
                Wire::Fixed32(u32::from_le_bytes(bytes))
            }
            _ => return Err(Error::Malformed("illegal wire type")),
        };
        Ok(Some((number, wire)))
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Malformed("text is not UTF-8"))
}

/// Reads a body in Kubernetes' envelope into the object that it stands for.
///
/// # Errors
/// Fails on anything that is not such a body, and on kinds without a protobuf form.
pub fn decode(body: &[u8]) -> Result<Value, Error> {
    let mut envelope = Reader(body.strip_prefix(MAGIC).ok_or(Error::Prefix)?);
    let (mut api_version, mut kind, mut raw) = ("", "", &[][..]);
    while let Some((number, wire)) = envelope.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => {
                let mut type_meta = Reader(bytes);
                while let Some((number, wire)) = type_meta.next()? {
                    match (number, wire) {
                        (1, Wire::Bytes(bytes)) => api_version = text(bytes)?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let unknown = || Error::UnknownKind(format!("{api_version}, Kind={kind}"));
    let version = GroupVersion::parse(api_version).ok_or_else(unknown)?;
    let definition = definition(&version, kind);
    let name = definition.replacen("io.k8s.", "k8s.io.", 1);
    let schema = schema::builtin_definition(&definition);
    let mut object = Map::new();
    read_message(&name, raw, schema.as_deref().map(Schema::root), &mut object, 0, &unknown)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// The definition of a body's kind. Options are sent in the version of the resource that they are for.
fn definition(version: &GroupVersion, kind: &str) -> String {
    match kind {
        "DeleteOptions" | "CreateOptions" | "UpdateOptions" | "PatchOptions" | "Status" => {
            format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}")
        }
        _ => schema::definition_name(&GroupVersionKind::new(&version.group, &version.version, kind)),
    }
}

fn read_message(
    name: &str,
    bytes: &[u8],
    node: Option<Node<'_>>,
    object: &mut Map<String, Value>,
    depth: usize,
    unknown: &dyn Fn() -> Error,
) -> Result<(), Error> {
    if depth > DEPTH_LIMIT {
        return Err(Error::Malformed("nested too deeply"));
    }
    let fields = messages().get(name).ok_or_else(unknown)?;
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.next()? {
        // A newer client's field, as an unknown field of JSON.
        let Some(field) = fields.get(&number) else { continue };
        let child = node.and_then(|n| n.field(&field.name));
        match field.shape {
            Shape::One => {
                if let (Type::Message(inner), Wire::Bytes(bytes), true, None) =
                    (&field.kind, &wire, node.is_some(), child)
                    && special(inner, &[]).is_none()
                {
                    // The schema does not know the name: JSON has the fields of this message inline.
                    read_message(inner, bytes, node, object, depth + 1, unknown)?;
                    continue;
                }
                let value = read_value(&field.kind, wire, child, depth, unknown)?;
                if let Some(value) = value
                    && !(is_zero(&value) && dropped(child))
                {
                    object.insert(field.name.to_string(), value);
                }
            }
            Shape::List => {
                let item = child.and_then(Node::items);
                let mut values = Vec::new();
                match (&field.kind, wire) {
                    (Type::Integer | Type::Bool, Wire::Bytes(packed)) => {
                        let mut packed = Reader(packed);
                        while !packed.0.is_empty() {
                            let number = Wire::Varint(packed.varint()?);
                            values.extend(read_value(&field.kind, number, item, depth, unknown)?);
                        }
                    }
                    (kind, wire) => values.extend(read_value(kind, wire, item, depth, unknown)?),
                }
                if let Value::Array(list) =
                    object.entry(field.name.to_string()).or_insert_with(|| Value::Array(Vec::new()))
                {
                    list.extend(values);
                }
            }
            Shape::Map => {
                let Wire::Bytes(bytes) = wire else { return Err(Error::Malformed("a map entry is no message")) };
                let (key, value) = read_entry(field, bytes, child.and_then(Node::additional), depth, unknown)?;
                if let Value::Object(map) =
                    object.entry(field.name.to_string()).or_insert_with(|| Value::Object(Map::new()))
                {
                    map.insert(key, value);
                }
            }
        }
    }
    Ok(())
}

fn read_entry(
    field: &Field,
    bytes: &[u8],
    node: Option<Node<'_>>,
    depth: usize,
    unknown: &dyn Fn() -> Error,
) -> Result<(String, Value), Error> {
    let mut key = String::new();
    let mut value = None;
    let mut entry = Reader(bytes);
    while let Some((number, wire)) = entry.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?.to_owned(),
            (2, wire) => value = read_value(&field.kind, wire, node, depth, unknown)?,
            _ => {}
        }
    }
    // A value that is its type's zero may be left out.
    let value = value.unwrap_or_else(|| match field.kind {
        Type::Text | Type::Bytes => Value::String(String::new()),
        Type::Integer | Type::Double | Type::Float => Value::from(0),
        Type::Bool => Value::Bool(false),
        Type::Message(_) => Value::Object(Map::new()),
    });
    Ok((key, value))
}

/// One value; `None` for times that are not set.
fn read_value(
    kind: &Type,
    wire: Wire<'_>,
    node: Option<Node<'_>>,
    depth: usize,
    unknown: &dyn Fn() -> Error,
) -> Result<Option<Value>, Error> {
    let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
    Ok(Some(match (kind, wire) {
        // Negative numbers are sent as their two's complement in 64 bits.
        (Type::Integer, Wire::Varint(number)) => Value::from(number.cast_signed()),
        (Type::Bool, Wire::Varint(number)) => Value::Bool(number != 0),
        (Type::Double, Wire::Fixed64(bits)) => float(f64::from_bits(bits)),
        (Type::Float, Wire::Fixed32(bits)) => float(f64::from(f32::from_bits(bits))),
        (Type::Text, Wire::Bytes(bytes)) => Value::String(text(bytes)?.to_owned()),
        (Type::Bytes, Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (Type::Message(name), Wire::Bytes(bytes)) => {
            if let Some(read) = special(name, bytes) {
                return read;
            }
            let mut inner = Map::new();
            read_message(name, bytes, node, &mut inner, depth + 1, unknown)?;
            if is_list_wrapper(name) {
                inner.remove("items").unwrap_or_else(|| Value::Array(Vec::new()))
            } else {
                Value::Object(inner)
            }
        }
        _ => return Err(Error::Malformed("wrong wire type")),
    }))
}

/// Whether a message is nothing but a list in JSON: `ExtraValue`, `Verbs`.
fn is_list_wrapper(name: &str) -> bool {
    messages().get(name).is_some_and(|fields| {
        fields.len() == 1 && fields.get(&1).is_some_and(|f| &*f.name == "items" && f.shape == Shape::List)
    })
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(flag) => !flag,
        Value::Null => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether Go would leave a zero of this field out of JSON. Every value that is no pointer is sent, zero or not.
fn dropped(node: Option<Node<'_>>) -> bool {
    node.is_none_or(|node| node.go_field() == GoField::OmitEmpty)
}

/// Fields of the few messages whose JSON is no object.
fn scalars(bytes: &[u8]) -> Result<HashMap<u32, Scalar<'_>>, Error> {
    let mut all = HashMap::new();
    let mut reader = Reader(bytes);
    while let Some((number, wire)) = reader.next()? {
        match wire {
            Wire::Varint(value) => {
                all.insert(number, Scalar::Integer(value.cast_signed()));
            }
            Wire::Bytes(bytes) => {
                all.insert(number, Scalar::Bytes(bytes));
            }
            Wire::Fixed32(_) | Wire::Fixed64(_) => {}
        }
    }
    Ok(all)
}

#[derive(Clone, Copy)]
enum Scalar<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
}

type Special = Result<Option<Value>, Error>;

/// Reads a message whose JSON is no object with the same fields; `None` if this is none of them.
fn special(name: &str, bytes: &[u8]) -> Option<Special> {
    let short = name.strip_prefix(META).or_else(|| name.strip_prefix("k8s.io.apimachinery.pkg."))?;
    Some(match short {
        "Time" => time(bytes, false),
        "MicroTime" => time(bytes, true),
        "Duration" => scalars(bytes).map(|all| Some(duration(integer(&all, 1)).into())),
        "FieldsV1" | "runtime.RawExtension" => scalars(bytes).and_then(|all| raw_json(payload(&all, 1))),
        "api.resource.Quantity" => {
            scalars(bytes).and_then(|all| Ok(Some(Value::String(text(payload(&all, 1))?.to_owned()))))
        }
        "util.intstr.IntOrString" => scalars(bytes).and_then(|all| {
            Ok(Some(match integer(&all, 1) {
                0 => Value::from(integer(&all, 2)),
                _ => Value::String(text(payload(&all, 3))?.to_owned()),
            }))
        }),
        _ => return None,
    })
}

fn integer(all: &HashMap<u32, Scalar<'_>>, number: u32) -> i64 {
    match all.get(&number) {
        Some(Scalar::Integer(value)) => *value,
        _ => 0,
    }
}

fn payload<'a>(all: &HashMap<u32, Scalar<'a>>, number: u32) -> &'a [u8] {
    match all.get(&number) {
        Some(Scalar::Bytes(bytes)) => bytes,
        _ => &[],
    }
}

fn time(bytes: &[u8], micro: bool) -> Special {
    if bytes.is_empty() {
        return Ok(None);
    }
    let all = scalars(bytes)?;
    let nanos = i32::try_from(integer(&all, 2)).map_err(|_| Error::Malformed("illegal time"))?;
    let at = Timestamp::new(integer(&all, 1), nanos).map_err(|_| Error::Malformed("illegal time"))?;
    let format = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Some(at.strftime(format).to_string().into()))
}

fn raw_json(bytes: &[u8]) -> Special {
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(bytes).map(Some).map_err(|_| Error::Malformed("embedded JSON cannot be read"))
}

/// A duration as Go prints it, to whole seconds where it has no smaller part.
fn duration(nanos: i64) -> String {
    let (sign, nanos) = if nanos < 0 { ("-", nanos.unsigned_abs()) } else { ("", nanos.unsigned_abs()) };
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:09}").trim_end_matches('0').to_owned() };
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{fraction}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}{fraction}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// Whether a kind has a protobuf form that [`decode`] reads.
pub fn knows(gvk: &GroupVersionKind) -> bool {
    let name = schema::definition_name(gvk).replacen("io.k8s.", "k8s.io.", 1);
    messages().contains_key(name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        varint(number << 3 | 2, &mut out);
        varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    }

    fn int(number: u64, value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        varint(number << 3, &mut out);
        varint(value.cast_unsigned(), &mut out);
        out
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &type_meta), bytes(2, raw)].concat()
    }

    #[test]
    fn every_message_that_a_field_names_is_there() {
        for (name, fields) in messages() {
            for field in fields.values() {
                if let Type::Message(inner) = &field.kind {
                    assert!(messages().contains_key(inner), "{name}.{} is a {inner}", field.name);
                }
            }
        }
        assert!(knows(&GroupVersionKind::new("apps", "v1", "Deployment")));
        assert!(knows(&GroupVersionKind::new("rbac.authorization.k8s.io", "v1", "Role")));
    }

    #[test]
    fn objects_are_what_go_would_have_sent_as_json() {
        // A config map as kubectl creates it: zero strings and times are sent, but mean nothing.
        let metadata = [
            bytes(1, b"x"),
            bytes(2, b""),
            bytes(3, b"default"),
            int(7, 0),
            bytes(8, b""),
            bytes(11, &[bytes(1, b"app"), bytes(2, b"web")].concat()),
        ]
        .concat();
        let raw = [
            bytes(1, &metadata),
            bytes(2, &[bytes(1, b"k"), bytes(2, b"v")].concat()),
            bytes(2, &bytes(1, b"empty")),
            bytes(3, &[bytes(1, b"b"), bytes(2, &[0, 255])].concat()),
        ]
        .concat();
        assert_eq!(
            decode(&envelope("v1", "ConfigMap", &raw)).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "x", "namespace": "default", "labels": {"app": "web"}},
                "data": {"k": "v", "empty": ""}, "binaryData": {"b": "AP8="},
            })
        );
    }

    #[test]
    fn pointers_inline_messages_and_special_types() {
        let port = bytes(2, &[int(1, 0), int(2, 8080)].concat());
        let probe = [bytes(1, &bytes(2, &port)), int(2, 0), int(7, 0)].concat();
        let secret = bytes(6, &bytes(1, b"s"));
        let volume = [bytes(1, b"v"), bytes(2, &secret)].concat();
        let limits = bytes(1, &[bytes(1, b"cpu"), bytes(2, &bytes(1, b"100m"))].concat());
        let container = [bytes(1, b"c"), bytes(8, &limits), bytes(10, &probe)].concat();
        let pod_spec = [bytes(1, &volume), bytes(2, &container), int(4, 0)].concat();
        let spec = [int(1, 0), bytes(3, &bytes(2, &pod_spec))].concat();
        let object = decode(&envelope("apps/v1", "Deployment", &bytes(2, &spec))).unwrap();
        let spec = &object["spec"];
        assert_eq!(spec["replicas"], 0, "{object}");
        let pod = &spec["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 0);
        assert_eq!(pod["volumes"], json!([{"name": "v", "secret": {"secretName": "s"}}]));
        assert_eq!(pod["containers"][0]["resources"], json!({"limits": {"cpu": "100m"}}));
        let probe = &pod["containers"][0]["livenessProbe"];
        assert_eq!(*probe, json!({"httpGet": {"port": 8080}, "terminationGracePeriodSeconds": 0}));
    }

    #[test]
    fn nothing_that_is_sent_makes_a_panic() {
        assert_eq!(decode(b"{}"), Err(Error::Prefix));
        assert!(matches!(decode(&envelope("x/v1", "Y", b"")), Err(Error::UnknownKind(_))));
        assert!(matches!(decode(&envelope("v1", "ConfigMap", &[0x0a, 0xff])), Err(Error::Malformed(_))));
        let good = envelope("v1", "Pod", &[bytes(1, &bytes(1, b"p")), bytes(2, &bytes(2, &bytes(1, b"c")))].concat());
        for at in 0..good.len() {
            let _ = decode(&good[..at]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = good.clone();
                changed[at] = value;
                let _ = decode(&changed);
            }
        }
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration(90_000_000_000), "1m30s");
        assert_eq!(duration(3_600_000_000_000), "1h0m0s");
        assert_eq!(duration(1_500_000_000), "1.5s");
    }
}
