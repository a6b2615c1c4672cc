//! Label selectors: the query form of a URL and the `LabelSelector` objects of specs.

use std::fmt;

use serde_json::Value;

use super::{Labels, label_value_errors, parser::Parser, qualified_name_errors};
use crate::field::{self, FieldError, FieldErrors};

/// How a requirement compares a label with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `k in (a,b)`: the label is one of the values.
    In,
    /// `k notin (a,b)`: the label is absent or none of the values.
    NotIn,
    /// `k=a`.
    Equals,
    /// `k==a`; the same, but printed as it was written.
    DoubleEquals,
    /// `k!=a`: the label is absent or different.
    NotEquals,
    /// `k`: the label is there.
    Exists,
    /// `!k`: the label is absent.
    DoesNotExist,
    /// `k>5`: the label is a greater whole number.
    GreaterThan,
    /// `k<5`: the label is a smaller whole number.
    LessThan,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    /// Sorted, without duplicates.
    values: Vec<String>,
    /// The value of `>` and `<`.
    bound: Option<i64>,
}

impl Requirement {
    /// Builds a requirement. The error is the text that Kubernetes answers.
    pub fn new(
        key: impl Into<String>,
        operator: Operator,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, String> {
        let key = key.into();
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        let mut errors: FieldErrors = Vec::new();
        let listed = || Value::from(values.clone());
        let key_errors = qualified_name_errors(&key);
        if !key_errors.is_empty() {
            errors.push(FieldError::invalid("key", key.as_str(), key_errors.join("; ")));
        }
        let mut bound = None;
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                errors.push(FieldError::invalid(
                    "values",
                    listed(),
                    "for 'in', 'notin' operators, values set can't be empty",
                ));
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
                errors.push(FieldError::invalid(
                    "values",
                    listed(),
                    "exact-match compatibility requires one single value",
                ));
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                errors.push(FieldError::invalid(
                    "values",
                    listed(),
                    "values set must be empty for exists and does not exist",
                ));
            }
            Operator::GreaterThan | Operator::LessThan => {
                if values.len() != 1 {
                    errors.push(FieldError::invalid(
                        "values",
                        listed(),
                        "for 'Gt', 'Lt' operators, exactly one value is required",
                    ));
                }
                for (index, value) in values.iter().enumerate() {
                    bound = value.parse().ok();
                    if bound.is_none() {
                        errors.push(FieldError::invalid(
                            format!("values[{index}]"),
                            value.as_str(),
                            "for 'Gt', 'Lt' operators, the value must be an integer",
                        ));
                    }
                }
            }
            _ => {}
        }
        for (index, value) in values.iter().enumerate() {
            let value_errors = label_value_errors(value);
            if !value_errors.is_empty() {
                errors.push(FieldError::invalid(
                    format!("values[{index}][{key}]"),
                    value.as_str(),
                    value_errors.join("; "),
                ));
            }
        }
        if !errors.is_empty() {
            return Err(field::aggregate(&errors));
        }
        values.sort_unstable();
        values.dedup();
        Ok(Self { key, operator, values, bound })
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it is compared.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    fn has(&self, value: &str) -> bool {
        self.values.binary_search_by(|v| v.as_str().cmp(value)).is_ok()
    }

    /// Whether the labels meet the requirement.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        let label = labels.label(&self.key);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => label.is_some_and(|v| self.has(v)),
            Operator::NotIn | Operator::NotEquals => label.is_none_or(|v| !self.has(v)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let (Some(number), Some(bound)) = (label.and_then(|v| v.parse::<i64>().ok()), self.bound) else {
                    return false;
                };
                if self.operator == Operator::GreaterThan { number > bound } else { number < bound }
            }
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.join(",");
        match self.operator {
            Operator::In => write!(f, "{} in ({values})", self.key),
            Operator::NotIn => write!(f, "{} notin ({values})", self.key),
            Operator::Equals => write!(f, "{}={values}", self.key),
            Operator::DoubleEquals => write!(f, "{}=={values}", self.key),
            Operator::NotEquals => write!(f, "{}!={values}", self.key),
            Operator::Exists => f.write_str(&self.key),
            Operator::DoesNotExist => write!(f, "!{}", self.key),
            Operator::GreaterThan => write!(f, "{}>{values}", self.key),
            Operator::LessThan => write!(f, "{}<{values}", self.key),
        }
    }
}

/// A parsed label selector: all requirements must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
    /// Selects nothing, whatever the requirements.
    nothing: bool,
}

impl LabelSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects no object.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// From requirements, which are sorted by key.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut requirements: Vec<Requirement> = requirements.into_iter().collect();
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements, nothing: false }
    }

    /// Parses the form of a URL's `labelSelector`. The error is the message of the 400 that Kubernetes answers.
    pub fn parse(text: &str) -> Result<Self, String> {
        Parser::new(text).parse().map(Self::new)
    }

    /// From a `LabelSelector` object: null selects nothing, an empty object everything. The error is Kubernetes' text.
    pub fn from_object(selector: &Value) -> Result<Self, String> {
        let Some(map) = selector.as_object() else {
            return Ok(Self::nothing());
        };
        let mut requirements = Vec::new();
        if let Some(labels) = map.get("matchLabels").and_then(Value::as_object) {
            for (key, value) in labels {
                requirements.push(Requirement::new(key, Operator::Equals, [value.as_str().unwrap_or_default()])?);
            }
        }
        for expression in map.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
            let operator = match text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(format!("{other:?} is not a valid label selector operator")),
            };
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            requirements.push(Requirement::new(text("key"), operator, values.filter_map(Value::as_str))?);
        }
        Ok(Self::new(requirements))
    }

    /// From a plain map of labels that must be equal, such as a Service's selector. Values that no label can have are
    /// allowed and match nothing.
    pub fn from_map<L>(labels: L) -> Self
    where
        L: IntoIterator,
        L::Item: EqualPair,
    {
        Self::new(labels.into_iter().map(|pair| {
            let (key, value) = pair.pair();
            Requirement { key, operator: Operator::Equals, values: vec![value], bound: None }
        }))
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Whether the labels meet all requirements.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether an object's `metadata.labels` meet all requirements.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(&crate::meta::labels(object))
    }

    /// The value that the label must have, if the selector fixes one.
    pub fn exact(&self, key: &str) -> Option<&str> {
        self.requirements.iter().find_map(|r| match (r.key == key, r.operator, r.values.as_slice()) {
            (true, Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value.as_str()),
            _ => None,
        })
    }
}

impl fmt::Display for LabelSelector {
    /// The canonical form: parsing it gives the same selector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

/// A label's key and value, owned or borrowed, as text or as JSON.
pub trait EqualPair {
    /// Key and value.
    fn pair(self) -> (String, String);
}

impl EqualPair for (&String, &Value) {
    fn pair(self) -> (String, String) {
        (self.0.clone(), self.1.as_str().unwrap_or_default().to_owned())
    }
}

impl EqualPair for (&String, &String) {
    fn pair(self) -> (String, String) {
        (self.0.clone(), self.1.clone())
    }
}

impl EqualPair for (&str, &str) {
    fn pair(self) -> (String, String) {
        (self.0.to_owned(), self.1.to_owned())
    }
}

/// Everything wrong with a `LabelSelector` object at the path, as validation of specs reports it.
pub fn validate_object(selector: &Value, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    let check_key = |errors: &mut FieldErrors, key: &str, at: &str| {
        for text in qualified_name_errors(key) {
            errors.push(FieldError::invalid(at, key, text));
        }
    };
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{path}.matchLabels");
        check_key(&mut errors, key, &at);
        let value = value.as_str().unwrap_or_default();
        for text in label_value_errors(value) {
            errors.push(FieldError::invalid(&at, value, text));
        }
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    for (index, expression) in expressions.enumerate() {
        let at = format!("{path}.matchExpressions[{index}]");
        let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
        let values = expression.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match text("operator") {
            "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
                format!("{at}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
                format!("{at}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                errors.push(FieldError::invalid(format!("{at}.operator"), other, "not a valid selector operator"));
            }
        }
        check_key(&mut errors, text("key"), &format!("{at}.key"));
        for (position, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            for text in label_value_errors(value) {
                errors.push(FieldError::invalid(format!("{at}.values[{position}]"), value, text));
            }
        }
    }
    errors
}
