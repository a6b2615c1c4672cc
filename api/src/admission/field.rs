//! Errors about fields, worded as Kubernetes words them.

use serde::Serialize;

use crate::meta::go_json;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The value is not acceptable.
    Invalid,
    /// There must be a value.
    Required,
    /// The value is not one of the known ones.
    NotSupported,
    /// The value is there already.
    Duplicate,
    /// There must not be such a value.
    Forbidden,
    /// The value as a whole is not acceptable.
    TypeInvalid,
}

/// An error about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path to the field, such as `spec.rules[0].name`.
    pub field: String,
    /// What is wrong.
    pub kind: ErrorKind,
    /// The value as JSON; empty where the kind needs none.
    pub value: String,
    /// More about it, for people.
    pub detail: String,
}

impl FieldError {
    fn new(field: &str, kind: ErrorKind, value: String, detail: impl Into<String>) -> Self {
        Self { field: field.to_owned(), kind, value, detail: detail.into() }
    }

    /// The value is not acceptable.
    pub fn invalid<T: Serialize + ?Sized>(field: &str, value: &T, detail: impl Into<String>) -> Self {
        Self::new(field, ErrorKind::Invalid, json_text(value), detail)
    }

    /// There must be a value.
    pub fn required(field: &str, detail: impl Into<String>) -> Self {
        Self::new(field, ErrorKind::Required, String::new(), detail)
    }

    /// The value is not one of these.
    pub fn not_supported(field: &str, value: &str, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::new(field, ErrorKind::NotSupported, json_text(value), detail)
    }

    /// The value is there already.
    pub fn duplicate<T: Serialize + ?Sized>(field: &str, value: &T) -> Self {
        Self::new(field, ErrorKind::Duplicate, json_text(value), "")
    }

    /// The same with more about it.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// There must not be such a value.
    pub fn forbidden(field: &str, detail: impl Into<String>) -> Self {
        Self::new(field, ErrorKind::Forbidden, String::new(), detail)
    }
}

/// A value that can't be written as JSON is shown as nothing; ours all can.
fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    go_json(&value).unwrap_or_default()
}

impl FieldError {
    /// The error without the field, as it stands in a cause of a Status.
    #[must_use]
    pub fn body(&self) -> String {
        let what = match self.kind {
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::Required => "Required value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Forbidden => "Forbidden",
        };
        let parts = [what, self.value.as_str(), self.detail.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }

    /// The reason in a cause of a Status.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.kind {
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// As the error reads in a Status: `field: what: value: detail`.
impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// Several errors as one message: one stands alone, more are listed in brackets, repeated ones once.
#[must_use]
pub fn aggregate(errors: &[FieldError]) -> String {
    let mut messages: Vec<String> = vec![];
    for error in errors {
        let message = error.to_string();
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    match messages.as_slice() {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    }
}
