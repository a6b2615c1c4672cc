//! OpenAPI v3 structural schemas, built from the types' declarations.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

use crate::quantity::Quantity;

/// What Kubernetes accepts as a resource quantity, as a pattern.
pub const QUANTITY_PATTERN: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// A type that knows its OpenAPI v3 schema.
pub trait Schema {
    /// Whether Go has a plain string where we have an enum: an empty one counts as absent.
    const STRING_ENUM: bool = false;

    /// The schema of this type, with descriptions.
    fn schema() -> S;

    /// Brings a JSON value into the form that it has after a round trip through Go's type: empty optional fields are
    /// gone, absent required ones have their zero value. What doesn't fit the type is left alone.
    fn go_form(_value: &mut Value) {}

    /// Whether Go's `omitempty` leaves this value out.
    fn go_empty(_value: &Value) -> bool {
        false
    }

    /// Go's zero value.
    fn go_zero() -> Value {
        Value::Null
    }
}

/// Brings one field of an object into Go's form; see [`Schema::go_form`].
pub(crate) fn go_field<T: Schema>(object: &mut Value, name: &str, kept: bool) {
    let Value::Object(map) = object else { return };
    match map.get_mut(name) {
        Some(value) => {
            T::go_form(value);
            if !kept && (value.is_null() || T::go_empty(value)) {
                map.remove(name);
            }
        }
        None if kept => {
            let mut value = T::go_zero();
            T::go_form(&mut value);
            map.insert(name.to_owned(), value);
        }
        None => {}
    }
}

/// A schema under construction: a JSON object with builder methods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct S(pub Map<String, Value>);

impl S {
    /// A schema of this JSON type.
    #[must_use]
    pub fn of_type(name: &str) -> Self {
        Self::default().with("type", name)
    }

    /// An object without properties yet.
    #[must_use]
    pub fn object(doc: &[&str]) -> Self {
        Self::of_type("object").describe(doc)
    }

    /// A whole Kubernetes object: apiVersion, kind and metadata.
    #[must_use]
    pub fn root(doc: &[&str]) -> Self {
        Self::object(doc)
            .property(
                "apiVersion",
                false,
                Self::of_type("string").describe(&["Group and version of this object's schema."]),
            )
            .property("kind", false, Self::of_type("string").describe(&["The kind of this object, in CamelCase."]))
            .property("metadata", false, Self::of_type("object"))
    }

    /// An object of any shape, kept as it is.
    #[must_use]
    pub fn raw_object() -> Self {
        Self::of_type("object").preserve_unknown()
    }

    /// A list of these.
    #[must_use]
    pub fn list_of(items: Self) -> Self {
        Self::of_type("array").with("items", Value::Object(items.0))
    }

    /// A map from strings to these.
    #[must_use]
    pub fn map_of(values: Self) -> Self {
        Self::of_type("object").with("additionalProperties", Value::Object(values.0))
    }

    /// The finished schema.
    #[must_use]
    pub fn build(self) -> Value {
        Value::Object(self.0)
    }

    /// Sets one keyword.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Sets the description from lines of documentation; no lines leave it as it was.
    #[must_use]
    pub fn describe(self, doc: &[&str]) -> Self {
        if doc.is_empty() {
            return self;
        }
        let lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
        self.with("description", lines.join(" ").replace('`', "").trim())
    }

    /// Adds a property.
    #[must_use]
    pub fn property(mut self, name: &str, required: bool, schema: Self) -> Self {
        let properties = self.0.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(map) = properties {
            map.insert(name.to_owned(), Value::Object(schema.0));
        }
        if required {
            let list = self.0.entry("required").or_insert_with(|| json!([]));
            if let Value::Array(names) = list {
                names.push(Value::String(name.to_owned()));
                names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
        }
        self
    }

    /// Takes over another object's properties and required names.
    #[must_use]
    pub fn inline(mut self, other: Self) -> Self {
        let required: Vec<Value> = other.0.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        if let Some(Value::Object(properties)) = other.0.get("properties") {
            for (name, schema) in properties {
                let must = required.iter().any(|r| r.as_str() == Some(name));
                if let Value::Object(map) = schema {
                    self = self.property(name, must, Self(map.clone()));
                }
            }
        }
        self
    }

    /// Changes the schema of the elements of a list.
    #[must_use]
    pub fn items(mut self, change: impl FnOnce(Self) -> Self) -> Self {
        if let Some(Value::Object(items)) = self.0.remove("items") {
            self.0.insert("items".to_owned(), Value::Object(change(Self(items)).0));
        }
        self
    }

    /// The value that an absent field gets.
    #[must_use]
    pub fn default_value(self, value: impl Into<Value>) -> Self {
        self.with("default", value)
    }

    /// The allowed strings.
    #[must_use]
    pub fn values(self, values: &[&str]) -> Self {
        self.with("enum", values.to_vec())
    }

    /// The smallest allowed number.
    #[must_use]
    pub fn min(self, value: i64) -> Self {
        self.with("minimum", value)
    }

    /// The largest allowed number.
    #[must_use]
    pub fn max(self, value: i64) -> Self {
        self.with("maximum", value)
    }

    /// The shortest allowed string.
    #[must_use]
    pub fn min_length(self, value: u64) -> Self {
        self.with("minLength", value)
    }

    /// The longest allowed string.
    #[must_use]
    pub fn max_length(self, value: u64) -> Self {
        self.with("maxLength", value)
    }

    /// The fewest elements of a list.
    #[must_use]
    pub fn min_items(self, value: u64) -> Self {
        self.with("minItems", value)
    }

    /// The most elements of a list.
    #[must_use]
    pub fn max_items(self, value: u64) -> Self {
        self.with("maxItems", value)
    }

    /// The pattern that a string must match.
    #[must_use]
    pub fn pattern(self, value: &str) -> Self {
        self.with("pattern", value)
    }

    /// The format of the value.
    #[must_use]
    pub fn format(self, value: &str) -> Self {
        self.with("format", value)
    }

    /// Takes the format away: Go's plain `int` has none.
    #[must_use]
    pub fn no_format(mut self) -> Self {
        self.0.remove("format");
        self
    }

    /// Fields that the schema doesn't name are kept.
    #[must_use]
    pub fn preserve_unknown(self) -> Self {
        self.with("x-kubernetes-preserve-unknown-fields", true)
    }

    /// A list that server-side apply replaces whole.
    #[must_use]
    pub fn atomic_list(self) -> Self {
        self.with("x-kubernetes-list-type", "atomic")
    }

    /// An object that server-side apply replaces whole.
    #[must_use]
    pub fn atomic_map(self) -> Self {
        self.with("x-kubernetes-map-type", "atomic")
    }

    /// A list whose elements server-side apply merges by this key.
    #[must_use]
    pub fn map_list(self, key: &str) -> Self {
        self.with("x-kubernetes-list-type", "map").with("x-kubernetes-list-map-keys", vec![key])
    }
}

impl Schema for String {
    fn schema() -> S {
        S::of_type("string")
    }

    fn go_empty(value: &Value) -> bool {
        value.as_str() == Some("")
    }

    fn go_zero() -> Value {
        "".into()
    }
}

impl Schema for bool {
    fn schema() -> S {
        S::of_type("boolean")
    }

    fn go_empty(value: &Value) -> bool {
        *value == Value::Bool(false)
    }

    fn go_zero() -> Value {
        false.into()
    }
}

impl Schema for i32 {
    fn schema() -> S {
        S::of_type("integer").format("int32")
    }

    fn go_empty(value: &Value) -> bool {
        value.as_i64() == Some(0)
    }

    fn go_zero() -> Value {
        0.into()
    }
}

impl Schema for i64 {
    fn schema() -> S {
        S::of_type("integer").format("int64")
    }

    fn go_empty(value: &Value) -> bool {
        value.as_i64() == Some(0)
    }

    fn go_zero() -> Value {
        0.into()
    }
}

impl Schema for Time {
    fn schema() -> S {
        S::of_type("string").format("date-time")
    }
}

impl Schema for Quantity {
    fn schema() -> S {
        S::default()
            .with("anyOf", json!([{"type": "integer"}, {"type": "string"}]))
            .pattern(QUANTITY_PATTERN)
            .with("x-kubernetes-int-or-string", true)
    }
}

/// A value of any shape.
impl Schema for Value {
    fn schema() -> S {
        S::default().preserve_unknown()
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema() -> S {
        T::schema()
    }

    fn go_form(value: &mut Value) {
        T::go_form(value);
    }

    fn go_empty(value: &Value) -> bool {
        T::STRING_ENUM && T::go_empty(value)
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> S {
        S::list_of(T::schema())
    }

    fn go_form(value: &mut Value) {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(T::go_form);
        }
    }

    fn go_empty(value: &Value) -> bool {
        value.as_array().is_some_and(Vec::is_empty)
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema() -> S {
        S::map_of(T::schema())
    }

    fn go_empty(value: &Value) -> bool {
        value.as_object().is_some_and(Map::is_empty)
    }
}
