//! Field errors: what validation reports, with Kubernetes' texts.

use std::fmt;

use serde_json::Value;

/// The kind of a field error; its text is the `reason` of a Status cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The value is required and absent.
    Required,
    /// The value is not allowed to be set, or to change.
    Forbidden,
    /// The value is malformed or out of bounds.
    Invalid,
    /// The value is not one of an enumeration.
    NotSupported,
    /// The value occurs twice in a list that is a set or map.
    Duplicate,
    /// The referenced thing does not exist.
    NotFound,
    /// The value has the wrong JSON type.
    TypeInvalid,
    /// The string is longer than allowed.
    TooLong,
    /// The list or map has more items than allowed.
    TooMany,
    /// Something went wrong while validating.
    Internal,
}

impl ErrorKind {
    /// The cause's `reason` in a Status.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Forbidden => "FieldValueForbidden",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::NotFound => "FieldValueNotFound",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Forbidden => "Forbidden",
            Self::Invalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::NotFound => "Not found",
            Self::TypeInvalid => "Invalid value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// One thing wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What kind of error.
    pub kind: ErrorKind,
    /// The path, such as `spec.containers[0].name`.
    pub field: String,
    /// The offending value, where the text shows it.
    pub value: Option<Value>,
    /// The text after the value; may be empty.
    pub detail: String,
}

/// All that is wrong with an object, in the order found.
pub type FieldErrors = Vec<FieldError>;

impl FieldError {
    /// `field: Required value: detail`.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Required, field: field.into(), value: None, detail: detail.into() }
    }

    /// `field: Forbidden: detail`.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Forbidden, field: field.into(), value: None, detail: detail.into() }
    }

    /// `field: Invalid value: value: detail`.
    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, field: field.into(), value: Some(value.into()), detail: detail.into() }
    }

    /// `field: Invalid value: value: detail` for a value of the wrong JSON type.
    pub fn type_invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::TypeInvalid, field: field.into(), value: Some(value.into()), detail: detail.into() }
    }

    /// `field: Unsupported value: value: supported values: "a", "b"`; the supported values are printed in the given order.
    pub fn not_supported<S: AsRef<str>>(field: impl Into<String>, value: impl Into<Value>, supported: &[S]) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = supported.iter().map(|s| format!("{:?}", s.as_ref())).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        Self { kind: ErrorKind::NotSupported, field: field.into(), value: Some(value.into()), detail }
    }

    /// `field: Duplicate value: value`.
    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { kind: ErrorKind::Duplicate, field: field.into(), value: Some(value.into()), detail: String::new() }
    }

    /// `field: Not found: value`.
    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { kind: ErrorKind::NotFound, field: field.into(), value: Some(value.into()), detail: String::new() }
    }

    /// `field: Too long: may not be more than N bytes`.
    pub fn too_long(field: impl Into<String>, max_bytes: usize) -> Self {
        Self {
            kind: ErrorKind::TooLong,
            field: field.into(),
            value: None,
            detail: format!("may not be more than {max_bytes} bytes"),
        }
    }

    /// `field: Too many: actual: must have at most N items`.
    pub fn too_many(field: impl Into<String>, actual: usize, max: usize) -> Self {
        let noun = if max == 1 { "item" } else { "items" };
        Self {
            kind: ErrorKind::TooMany,
            field: field.into(),
            value: Some(actual.into()),
            detail: format!("must have at most {max} {noun}"),
        }
    }

    /// The text without the field: what a Status cause carries as `message`.
    pub fn body(&self) -> String {
        let words = self.kind.words();
        let head = match (&self.kind, &self.value) {
            (ErrorKind::Required | ErrorKind::Forbidden | ErrorKind::TooLong | ErrorKind::Internal, _) | (_, None) => {
                words.to_owned()
            }
            (_, Some(value)) => format!("{words}: {}", display_value(value)),
        };
        if self.detail.is_empty() { head } else { format!("{head}: {}", self.detail) }
    }
}

/// A string in quotes as Go's `%q` prints it.
fn go_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\0'..='\x1f' | '\x7f' if !matches!(character, '\n' | '\r' | '\t') => {
                out.push_str(&format!("\\x{:02x}", character as u32));
            }
            '\'' => out.push('\''),
            other => out.extend(other.escape_debug()),
        }
    }
    out.push('"');
    out
}

/// Prints a value as Kubernetes does in field errors: strings quoted, numbers and booleans plain, null as `null`, the rest
/// as JSON.
fn display_value(value: &Value) -> String {
    match value {
        Value::String(s) => go_quoted(s),
        other => other.to_string(),
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// Joins the errors as Kubernetes' `ErrorList.ToAggregate` does: one alone, several in brackets, duplicates dropped.
pub fn aggregate(errors: &[FieldError]) -> String {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.len() {
        1 => texts.swap_remove(0),
        _ => format!("[{}]", texts.join(", ")),
    }
}
