//! Selectors: which objects a list, a watch or a rule means, by labels or by fields.
//!
//! Both kinds are parsed once and then matched without allocation, against JSON label maps, plain maps, or slices of
//! pairs such as the watch cache keeps.

mod fields;
mod labels;
mod names;
mod parser;

pub use fields::{FieldSelector, FieldTerm};
pub use labels::{LabelSelector, Operator, Requirement, validate_object};
pub use names::{label_value_errors, qualified_name_errors};

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Anything that labels can be looked up in.
pub trait Labels {
    /// The value of one label.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for Map<String, Value> {
    fn label(&self, key: &str) -> Option<&str> {
        // A label with a value that is no string cannot be stored; it counts as an empty one.
        self.get(key).map(|value| value.as_str().unwrap_or_default())
    }
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Labels for [(K, V)] {
    fn label(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| k.as_ref() == key).map(|(_, v)| v.as_ref())
    }
}

impl<L: Labels + ?Sized> Labels for Option<&L> {
    fn label(&self, key: &str) -> Option<&str> {
        self.and_then(|labels| labels.label(key))
    }
}

#[cfg(test)]
mod tests;
