//! Field selectors: `metadata.name=a,status.phase!=Running`.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use crate::{meta, resource::ResourceInfo, schema::Flavor};

/// One comparison of a field selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldTerm {
    /// The field's name, such as `metadata.name`.
    pub field: String,
    /// The value it must have, or must not have.
    pub value: String,
    /// Whether it must be different.
    pub negated: bool,
}

impl FieldTerm {
    /// Whether a field of this value meets the term.
    pub fn allows(&self, value: &str) -> bool {
        (value == self.value) != self.negated
    }
}

/// A parsed field selector: all terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects the object of this name.
    pub fn by_name(name: &str) -> Self {
        Self { terms: vec![FieldTerm { field: "metadata.name".to_owned(), value: name.to_owned(), negated: false }] }
    }

    /// Parses the form of a URL's `fieldSelector`. The error is the message of the 400 that Kubernetes answers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms = Vec::new();
        for part in parts.into_iter().filter(|p| !p.is_empty()) {
            let Some((field, operator, value)) = split_term(part) else {
                return Err(format!("invalid selector: '{text}'; can't understand '{part}'"));
            };
            terms.push(FieldTerm { field: field.to_owned(), value: unescape(value)?, negated: operator == "!=" });
        }
        Ok(Self { terms })
    }

    /// The terms, in the order of their text.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that the field must have, if the selector fixes one.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| !t.negated && t.field == field).map(|t| t.value.as_str())
    }

    /// Refuses fields that the resource cannot be selected by. The error is the message of the 400.
    pub fn check(&self, info: &ResourceInfo) -> Result<(), String> {
        // Kinds with selectable fields of their own, and custom resources, know exactly their fields; all others go
        // through one common rule, which knows the namespace even of kinds that have none.
        let own_rule = !info.selectable_fields.is_empty() || info.schema.flavor() == Flavor::Structural;
        for term in &self.terms {
            let field = term.field.as_str();
            let known = match field {
                "metadata.name" => true,
                "metadata.namespace" => info.namespaced || !own_rule,
                _ => info.selectable_fields.iter().any(|f| f.name == field),
            };
            if !known {
                return Err(if own_rule {
                    format!("field label not supported: {field}")
                } else {
                    format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
                });
            }
        }
        Ok(())
    }

    /// Whether the fields, read by `get`, meet all terms. An absent field is the empty text.
    pub fn matches_with<'a>(&self, mut get: impl FnMut(&str) -> Cow<'a, str>) -> bool {
        self.terms.iter().all(|t| t.allows(&get(&t.field)))
    }

    /// Whether the fields, kept as pairs of name and value, meet all terms.
    pub fn matches_pairs<K: AsRef<str>, V: AsRef<str>>(&self, fields: &[(K, V)]) -> bool {
        self.terms.iter().all(|t| {
            let value = fields.iter().find(|(k, _)| k.as_ref() == t.field).map_or("", |(_, v)| v.as_ref());
            t.allows(value)
        })
    }

    /// Whether an object of this resource meets all terms.
    pub fn matches_object(&self, object: &Value, info: &ResourceInfo) -> bool {
        self.matches_with(|field| match field {
            "metadata.name" => Cow::Borrowed(meta::name(object).unwrap_or_default()),
            "metadata.namespace" => Cow::Borrowed(meta::namespace(object).unwrap_or_default()),
            _ => info
                .selectable_fields
                .iter()
                .find(|f| f.name == field)
                .map_or(Cow::Borrowed(""), |f| Cow::Owned((f.get)(object, field))),
        })
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            let operator = if term.negated { "!=" } else { "=" };
            write!(f, "{}{operator}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Splits at the first operator.
fn split_term(term: &str) -> Option<(&str, &str, &str)> {
    let (index, _) = term.char_indices().find(|(i, _)| term[*i..].starts_with("!=") || term[*i..].starts_with('='))?;
    let rest = &term[index..];
    let operator = ["!=", "==", "="].into_iter().find(|op| rest.starts_with(op))?;
    Some((&term[..index], operator, &rest[operator.len()..]))
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn unescape(value: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                Some(other) => return Err(format!("invalid field selector: invalid escape sequence: \\{other}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            // Go prints the rune's number.
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c)));
            }
            _ => plain.push(c),
        }
    }
    Ok(plain)
}
