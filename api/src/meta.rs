//! Small shared types whose JSON keeps Go's field order, because the scheduler records a placement byte for byte.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use crate::quantity::Quantity;
use crate::record::record;

/// Amounts by resource name.
pub type ResourceList = BTreeMap<String, Quantity>;

record! {
    /// A query over labels; all parts must match, and an empty selector matches everything.
    pub struct LabelSelector {
        /// Labels that must be present with exactly these values.
        opt match_labels: BTreeMap<String, String>,
        /// Conditions on labels; all must hold.
        opt match_expressions: Vec<SelectorRequirement> = |s| s.atomic_list(),
    }
}

record! {
    /// One condition of a selector: a key, an operator and the values that it compares with.
    pub struct SelectorRequirement {
        /// The key that the condition is about.
        req key: String,
        /// How key and values relate: In, NotIn, Exists or DoesNotExist.
        req operator: String,
        /// The values; none for Exists and DoesNotExist.
        opt values: Vec<String> = |s| s.atomic_list(),
    }
}

record! {
    /// Accepts clusters whose taints match it.
    pub struct Toleration {
        /// The taint key that is tolerated; empty together with Exists tolerates every taint.
        opt key: String,
        /// How the value compares: Exists or Equal (the default).
        opt operator: String,
        /// The taint value that is tolerated.
        opt value: String,
        /// The taint effect that is tolerated; empty means every effect.
        opt effect: String,
        /// How long a NoExecute taint is tolerated; absent means for ever.
        opt toleration_seconds: Option<i64>,
    }
}

impl From<meta::LabelSelectorRequirement> for SelectorRequirement {
    fn from(from: meta::LabelSelectorRequirement) -> Self {
        Self { key: from.key, operator: from.operator, values: from.values.unwrap_or_default() }
    }
}

impl From<meta::LabelSelector> for LabelSelector {
    fn from(from: meta::LabelSelector) -> Self {
        Self {
            match_labels: from.match_labels.unwrap_or_default(),
            match_expressions: from.match_expressions.unwrap_or_default().into_iter().map(Into::into).collect(),
        }
    }
}

impl From<LabelSelector> for meta::LabelSelector {
    fn from(from: LabelSelector) -> Self {
        let requirement = |r: SelectorRequirement| meta::LabelSelectorRequirement {
            key: r.key,
            operator: r.operator,
            values: (!r.values.is_empty()).then_some(r.values),
        };
        Self {
            match_labels: (!from.match_labels.is_empty()).then_some(from.match_labels),
            match_expressions: (!from.match_expressions.is_empty())
                .then(|| from.match_expressions.into_iter().map(requirement).collect()),
        }
    }
}

impl From<core::Toleration> for Toleration {
    fn from(from: core::Toleration) -> Self {
        Self {
            key: from.key.unwrap_or_default(),
            operator: from.operator.unwrap_or_default(),
            value: from.value.unwrap_or_default(),
            effect: from.effect.unwrap_or_default(),
            toleration_seconds: from.toleration_seconds,
        }
    }
}

impl From<Toleration> for core::Toleration {
    fn from(from: Toleration) -> Self {
        let some = |s: String| (!s.is_empty()).then_some(s);
        Self {
            key: some(from.key),
            operator: some(from.operator),
            value: some(from.value),
            effect: some(from.effect),
            toleration_seconds: from.toleration_seconds,
        }
    }
}

impl LabelSelector {
    /// Whether these labels satisfy every part of the selector. An unknown operator matches nothing.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.match_expressions.iter().all(|r| r.matches(labels.get(&r.key).map(String::as_str)))
    }
}

impl SelectorRequirement {
    /// Whether the value of the key (none: the key is absent) satisfies the condition.
    #[must_use]
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|v| self.values.iter().any(|x| x == v));
        match self.operator.as_str() {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

impl Toleration {
    /// Whether the toleration accepts a taint of this key, value and effect.
    #[must_use]
    pub fn tolerates(&self, key: &str, value: &str, effect: &str) -> bool {
        if !self.effect.is_empty() && self.effect != effect {
            return false;
        }
        if !self.key.is_empty() && self.key != key {
            return false;
        }
        match self.operator.as_str() {
            "" | "Equal" => self.value == value,
            "Exists" => true,
            _ => false,
        }
    }
}

/// The JSON text that Go's `json.Marshal` writes for the same fields: serde's order is the declaration's order, and
/// `<`, `>`, `&` and the two Unicode line separators are escaped.
///
/// # Errors
/// Fails when the value cannot be written as JSON (a map with keys that are not strings).
pub fn go_json<T: serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string(value)?;
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return Ok(plain);
    }
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            _ => out.push(c),
        }
    }
    Ok(out)
}
