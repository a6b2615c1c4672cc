//! Policy rules: what they allow and which rules they cover.

use karmada_rest::access::Attributes;
use serde::{Deserialize, Serialize};

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Verbs; `*` is any.
    #[serde(deserialize_with = "null_as_empty")]
    pub verbs: Vec<String>,
    /// API groups; `*` is any.
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Resources, `resource/subresource`, `*/subresource` or `*`.
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names; empty is any.
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths, with `*` at the end for any continuation.
    #[serde(rename = "nonResourceURLs", deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

impl Rule {
    /// Whether the rule allows the request.
    pub fn allows(&self, attributes: &Attributes) -> bool {
        if !has(&self.verbs, &attributes.verb) {
            return false;
        }
        if !attributes.resource_request {
            return self.non_resource_urls.iter().any(|pattern| path_matches(pattern, &attributes.path));
        }
        has(&self.api_groups, &attributes.group)
            && self.resources.iter().any(|r| resource_matches(r, &attributes.resource, &attributes.subresource))
            && (self.resource_names.is_empty() || self.resource_names.contains(&attributes.name))
    }

    /// Cuts the rule into pieces of one verb, one group, one resource and one name (or one path) each.
    pub fn pieces(&self) -> Vec<Rule> {
        let one = |item: &String| vec![item.clone()];
        let mut pieces = Vec::new();
        for verb in &self.verbs {
            for url in &self.non_resource_urls {
                pieces.push(Rule { verbs: one(verb), non_resource_urls: one(url), ..Rule::default() });
            }
            for group in &self.api_groups {
                for resource in &self.resources {
                    let piece =
                        Rule { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Rule::default() };
                    if self.resource_names.is_empty() {
                        pieces.push(piece);
                    } else {
                        let named = self.resource_names.iter();
                        pieces.extend(named.map(|name| Rule { resource_names: one(name), ..piece.clone() }));
                    }
                }
            }
        }
        pieces
    }

    /// Whether this rule allows all that a piece (see [`Rule::pieces`]) allows.
    pub fn covers_piece(&self, piece: &Rule) -> bool {
        let verb = piece.verbs.first().map(String::as_str).unwrap_or_default();
        if !has(&self.verbs, verb) {
            return false;
        }
        if let Some(path) = piece.non_resource_urls.first() {
            return self.non_resource_urls.iter().any(|pattern| path_matches(pattern, path));
        }
        let group = piece.api_groups.first().map(String::as_str).unwrap_or_default();
        let resource = piece.resources.first().map(String::as_str).unwrap_or_default();
        let (main, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let names = match piece.resource_names.first() {
            None => self.resource_names.is_empty(),
            Some(name) => self.resource_names.is_empty() || self.resource_names.contains(name),
        };
        names && has(&self.api_groups, group) && self.resources.iter().any(|r| resource_matches(r, main, sub))
    }

    /// Go's compact form, as errors print it.
    pub fn compact(&self) -> String {
        let quoted = |items: &[String]| items.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        for (name, items) in [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("ResourceNames", &self.resource_names),
            ("NonResourceURLs", &self.non_resource_urls),
            ("Verbs", &self.verbs),
        ] {
            if !items.is_empty() {
                parts.push(format!("{name}:[{}]", quoted(items)));
            }
        }
        format!("{{{}}}", parts.join(", "))
    }
}

/// The pieces of `wanted` that none of `held` covers.
pub fn uncovered(wanted: &[Rule], held: &[Rule]) -> Vec<Rule> {
    let mut missing = Vec::new();
    for piece in wanted.iter().flat_map(Rule::pieces) {
        if !held.iter().any(|rule| rule.covers_piece(&piece)) && !missing.contains(&piece) {
            missing.push(piece);
        }
    }
    missing
}

fn resource_matches(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.split_once('/') {
        None => subresource.is_empty() && pattern == resource,
        Some((main, sub)) => sub == subresource && (main == "*" || main == resource),
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}
