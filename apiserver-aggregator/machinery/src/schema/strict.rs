//! Strict decoding: duplicate and unknown fields in the order of the document.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Flavor, Node, Schema};

/// Deeper documents were refused before.
const MAX_DEPTH: usize = 200;
/// At most so many findings are told.
const MAX_FINDINGS: usize = 100;

/// What strict decoding finds in a JSON document: `duplicate field "a.b"` and `unknown field "a.b"`, as kube-apiserver
/// words and orders them. Only needed once something was found; well-formed JSON is the caller's promise.
pub fn strict_findings(schema: &Schema, json: &[u8]) -> Vec<String> {
    let findings = RefCell::new(Vec::new());
    let typed = schema.flavor() == Flavor::Typed;
    let seed = Seed { node: Some(schema.root()), path: String::new(), findings: &findings, depth: 0, typed };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // An error ends the scan; what was found so far is still true.
    let _ = seed.deserialize(&mut deserializer);
    let mut findings = findings.into_inner();
    if !typed {
        // Unknown fields of custom resources are found after decoding, and sorted.
        findings.sort_by(|a, b| {
            let unknown = |f: &Finding| !f.duplicate;
            unknown(a)
                .cmp(&unknown(b))
                .then_with(|| if a.duplicate { std::cmp::Ordering::Equal } else { a.path.cmp(&b.path) })
        });
    }
    findings.iter().map(Finding::text).collect()
}

struct Finding {
    duplicate: bool,
    path: String,
}

impl Finding {
    fn text(&self) -> String {
        format!("{} field \"{}\"", if self.duplicate { "duplicate" } else { "unknown" }, self.path)
    }
}

struct Seed<'a> {
    /// `None` below fields that are not described.
    node: Option<Node<'a>>,
    path: String,
    findings: &'a RefCell<Vec<Finding>>,
    depth: usize,
    typed: bool,
}

impl Seed<'_> {
    fn find(&self, duplicate: bool, key: &str) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < MAX_FINDINGS {
            findings.push(Finding { duplicate, path: super::typed::join(&self.path, key) });
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom("too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let node = self.node.and_then(Node::items);
        let mut index = 0;
        loop {
            let path = format!("{}[{index}]", self.path);
            let seed = Seed { node, path, findings: self.findings, depth: self.depth + 1, typed: self.typed };
            if access.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = access.next_key::<String>()? {
            let child = self.node.and_then(|n| n.child(&key));
            if let Some(node) = self.node {
                let open = node.preserves_unknown() || (node.kind() != super::Type::Object && !node.has_fields());
                if child.is_none() && !open {
                    self.find(false, &key);
                }
            }
            if !seen.insert(key.clone()) {
                self.find(true, &key);
            }
            let path = super::typed::join(&self.path, &key);
            let seed = Seed { node: child, path, findings: self.findings, depth: self.depth + 1, typed: self.typed };
            access.next_value_seed(seed)?;
        }
        Ok(())
    }
}
