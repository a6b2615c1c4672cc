//! One object in the cache.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::encode::{encode, replace_revision};
use crate::Revision;

/// What selectors need of an object, taken from it once when it enters the cache.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    /// `metadata.labels`.
    pub labels: Vec<(String, String)>,
    /// Selectable fields by path; `metadata.name` and `metadata.namespace` need not be listed.
    pub fields: Vec<(String, String)>,
    /// What to serve instead of the stored bytes (an upgraded or defaulted form); without resourceVersion.
    pub body: Option<Value>,
}

impl Projection {
    /// The labels of `object`, and the given fields of it as text (absent ones are empty, as in Kubernetes).
    #[must_use]
    pub fn of(object: &Value, fields: &[&str]) -> Self {
        let labels = object
            .pointer("/metadata/labels")
            .and_then(Value::as_object)
            .map(|labels| {
                labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
            })
            .unwrap_or_default();
        let fields = fields.iter().map(|path| ((*path).to_owned(), field_text(object, path))).collect();
        Self { labels, fields, body: None }
    }
}

fn field_text(object: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(object, |value, segment| value.get(segment));
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A small list of text pairs in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Box<[u8]>);

impl Pairs {
    fn new(pairs: &[(String, String)]) -> Self {
        if pairs.is_empty() {
            return Self::default();
        }
        let mut buffer = Vec::with_capacity(pairs.iter().map(|(key, value)| key.len() + value.len() + 4).sum());
        for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
            let mut length = text.len();
            while length >= 0x80 {
                buffer.push((length & 0x7f) as u8 | 0x80);
                length >>= 7;
            }
            buffer.push(length as u8);
            buffer.extend_from_slice(text.as_bytes());
        }
        Self(buffer.into_boxed_slice())
    }

    /// The pairs, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || Some((take_text(&mut rest)?, take_text(&mut rest)?)))
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let mut length = 0usize;
    let mut shift = 0;
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}

/// One object in the cache: its encoded form and what selectors look at.
#[derive(Debug)]
pub struct Entry {
    key: Arc<str>,
    /// Where the namespace (if any) and the name start in the key.
    namespace_at: u32,
    name_at: u32,
    digits_at: u32,
    revision: Revision,
    create_revision: Revision,
    bytes: Bytes,
    labels: Pairs,
    fields: Pairs,
}

impl Entry {
    /// Builds the entry of a stored value; `None` when the value is not a JSON object.
    pub(super) fn new(
        key: Arc<str>,
        prefix_len: usize,
        value: &[u8],
        revision: Revision,
        create_revision: Revision,
        project: &dyn Fn(&Value) -> Projection,
    ) -> Option<Self> {
        let parsed: Value = serde_json::from_slice(value).ok()?;
        let projection = project(&parsed);
        let encoded = match &projection.body {
            Some(body) => encode(&serde_json::to_vec(body).ok()?, body, revision)?,
            None => encode(value, &parsed, revision)?,
        };
        let name_at = key.rfind('/').map_or(0, |slash| slash + 1).max(prefix_len);
        Some(Self {
            namespace_at: u32::try_from(prefix_len).ok()?,
            name_at: u32::try_from(name_at).ok()?,
            digits_at: encoded.digits_at,
            key,
            revision,
            create_revision,
            bytes: encoded.bytes,
            labels: Pairs::new(&projection.labels),
            fields: Pairs::new(&projection.fields),
        })
    }

    /// The same object at a later revision: what a watcher is told when an object is deleted or leaves its selection.
    pub(super) fn at_revision(&self, revision: Revision) -> Self {
        Self {
            key: Arc::clone(&self.key),
            namespace_at: self.namespace_at,
            name_at: self.name_at,
            digits_at: self.digits_at,
            revision,
            create_revision: self.create_revision,
            bytes: replace_revision(&self.bytes, self.digits_at, revision),
            labels: self.labels.clone(),
            fields: self.fields.clone(),
        }
    }

    /// The store's key.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The key without the resource's prefix: `namespace/name` or `name`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.key[self.namespace_at as usize..]
    }

    /// The namespace; `None` for a cluster-scoped object.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        (self.name_at > self.namespace_at).then(|| &self.key[self.namespace_at as usize..self.name_at as usize - 1])
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key[self.name_at as usize..]
    }

    /// The object's revision, which is its resourceVersion.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision that created the object.
    #[must_use]
    pub fn create_revision(&self) -> Revision {
        self.create_revision
    }

    /// The object's JSON with `metadata.resourceVersion`.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The object as a tree.
    ///
    /// # Errors
    /// None in practice: the bytes were valid JSON when the entry was built.
    pub fn decode(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.bytes)
    }

    /// The labels.
    #[must_use]
    pub fn labels(&self) -> &Pairs {
        &self.labels
    }

    /// A selectable field's value.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&str> {
        match path {
            "metadata.name" => Some(self.name()),
            "metadata.namespace" => Some(self.namespace().unwrap_or_default()),
            _ => self.fields.get(path),
        }
    }

    /// The selectable fields that the projection has found.
    #[must_use]
    pub fn fields(&self) -> &Pairs {
        &self.fields
    }

    pub(super) fn weight(&self) -> usize {
        // The fixed part: the struct, its share of the map's node and four allocations' overhead.
        self.bytes.len() + self.key.len() + self.labels.0.len() + self.fields.0.len() + 200
    }
}
