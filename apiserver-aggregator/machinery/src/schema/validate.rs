//! Validation of values against a structural schema, with the texts of Kubernetes' OpenAPI validator.

use serde_json::Value;

use super::node::{Extra, Flags};
use super::typed::join;
use super::{ListType, Node, Type, formats};
use crate::field::{ErrorKind, FieldError, FieldErrors};

/// At most so many errors are told; more would only fill the answer.
const MAX_ERRORS: usize = 200;

/// The field of errors that belong to no field.
const NO_FIELD: &str = "<nil>";

/// Everything wrong with a value. `old` is what stood there before: parts that did not change are not judged again.
pub(super) fn validate(node: Node<'_>, value: &Value, old: Option<&Value>, path: &str) -> FieldErrors {
    let mut errors = Vec::new();
    check(node, value, old, path, &mut errors);
    errors.truncate(MAX_ERRORS);
    errors
}

/// Go's name of a JSON type, where whole numbers are integers.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(path: &str, wanted: &str, value: &Value) -> FieldError {
    let actual = type_name(value);
    FieldError::type_invalid(path, actual, format!("{path} in body must be of type {wanted}: {actual:?}"))
}

fn no_field(text: String) -> FieldError {
    FieldError::invalid(NO_FIELD, "", text)
}

fn invalid(path: &str, value: impl Into<Value>, rule: &str) -> FieldError {
    FieldError::invalid(path, value, format!("{path} in body {rule}"))
}

fn check(node: Node<'_>, value: &Value, old: Option<&Value>, path: &str, errors: &mut FieldErrors) {
    if errors.len() > MAX_ERRORS || old == Some(value) {
        return;
    }
    check_type(node, value, path, errors);
    if value.is_null() {
        check_enum(node, value, path, errors);
        return;
    }
    check_combinations(node, value, path, errors);
    let empty = Extra::default();
    let bounds = node.bounds().unwrap_or(&empty);
    match value {
        Value::String(text) => check_string(node, text, bounds, path, errors),
        Value::Number(_) => check_number(node, value, bounds, path, errors),
        Value::Array(items) => {
            check_items(node, items, old, path, errors);
            if let Some(min) = bounds.min_items.filter(|min| (items.len() as u64) < *min) {
                errors.push(invalid(path, items.len(), &format!("should have at least {min} items")));
            }
            if let Some(max) = bounds.max_items.filter(|max| items.len() as u64 > *max) {
                errors.push(FieldError::too_many(path, items.len(), usize::try_from(max).unwrap_or(usize::MAX)));
            }
        }
        _ => {}
    }
    check_enum(node, value, path, errors);
    if let Value::Object(map) = value {
        if let Some(min) = bounds.min_properties.filter(|min| (map.len() as u64) < *min) {
            errors.push(invalid(path, map.len(), &format!("should have at least {min} properties")));
            return;
        }
        if let Some(max) = bounds.max_properties.filter(|max| map.len() as u64 > *max) {
            errors.push(FieldError::too_many(path, map.len(), usize::try_from(max).unwrap_or(usize::MAX)));
            return;
        }
        for name in node.required() {
            if !map.contains_key(name) {
                errors.push(FieldError::required(join(path, name), ""));
            }
        }
        for (name, item) in map {
            if let Some(child) = node.own_field(name).or_else(|| node.additional()) {
                let old = old.and_then(|o| o.get(name));
                check(child, item, old, &join(path, name), errors);
            }
        }
    }
}

fn check_type(node: Node<'_>, value: &Value, path: &str, errors: &mut FieldErrors) {
    if value.is_null() && (node.nullable() || node.kind() == Type::Any && !node.int_or_string()) {
        return;
    }
    if node.int_or_string() {
        if !matches!(type_name(value), "integer" | "string") {
            errors.push(wrong_type(path, "integer,string", value));
        }
        return;
    }
    let wanted = node.kind().as_str();
    let actual = type_name(value);
    let fits = match node.kind() {
        Type::Any => true,
        Type::Number => matches!(actual, "number" | "integer"),
        _ => wanted == actual,
    };
    if !fits {
        errors.push(wrong_type(path, wanted, value));
    }
}

/// Of length and pattern, the first that fails is told.
fn check_string(node: Node<'_>, text: &str, bounds: &Extra, path: &str, errors: &mut FieldErrors) {
    let length = text.chars().count() as u64;
    if let Some(max) = bounds.max_length.filter(|max| length > *max) {
        errors.push(FieldError::too_long(path, usize::try_from(max).unwrap_or(usize::MAX)));
    } else if let Some(min) = bounds.min_length.filter(|min| length < *min) {
        errors.push(invalid(path, text, &format!("should be at least {min} chars long")));
    } else if node.pattern_regex().is_some_and(|regex| !regex.is_match(text)) {
        let pattern = node.pattern().unwrap_or_default();
        errors.push(invalid(path, text, &format!("should match '{pattern}'")));
    }
    if let Some(format) = node.format().filter(|format| formats::check(format, text) == Some(false)) {
        let detail = format!("{path} in body must be of type {format}: {text:?}");
        errors.push(FieldError {
            kind: ErrorKind::TypeInvalid,
            field: path.to_owned(),
            value: Some(text.into()),
            detail,
        });
    }
}

fn check_number(node: Node<'_>, value: &Value, bounds: &Extra, path: &str, errors: &mut FieldErrors) {
    let Some(number) = value.as_f64() else { return };
    if node.kind() == Type::Integer {
        let format = node.format();
        let fits = match (format, value.as_i64()) {
            (_, None) => value.is_u64(),
            (Some("int32"), Some(n)) => i32::try_from(n).is_ok(),
            _ => true,
        };
        if !fits {
            let kind = format.map_or_else(|| " (default format)".to_owned(), |f| format!(" with format {f}"));
            errors.push(no_field(format!("Checked value must be of type integer{kind} in {path}")));
        }
    }
    if let Some(factor) = bounds.multiple_of.as_ref().and_then(Value::as_f64) {
        if let Some(integer) = value.as_i64() {
            // Whole numbers are divided by the whole part of the factor, as upstream does.
            let whole = factor as i64;
            if whole <= 0 {
                let text = format!("factor MultipleOf declared for {path} must be positive: {whole}");
                errors.push(FieldError::invalid(path, whole, text));
            } else if integer % whole != 0 {
                errors.push(invalid(path, value.clone(), &format!("should be a multiple of {}", shown(factor))));
            }
        } else if factor <= 0.0 {
            let text = format!("factor MultipleOf declared for {path} must be positive: {}", shown(factor));
            errors.push(FieldError::invalid(path, factor, text));
        } else {
            let ratio = number / factor;
            if (ratio - ratio.round()).abs() > 1e-9 * ratio.abs().max(1.0) {
                errors.push(invalid(path, value.clone(), &format!("should be a multiple of {}", shown(factor))));
            }
        }
    }
    if let Some(max) = bounds.maximum.as_ref().and_then(Value::as_f64) {
        let exclusive = node.flag(Flags::EXCLUSIVE_MAX);
        if number > max || (exclusive && number == max) {
            let words = if exclusive { "should be less than" } else { "should be less than or equal to" };
            errors.push(invalid(path, value.clone(), &format!("{words} {}", shown(max))));
        }
    }
    if let Some(min) = bounds.minimum.as_ref().and_then(Value::as_f64) {
        let exclusive = node.flag(Flags::EXCLUSIVE_MIN);
        if number < min || (exclusive && number == min) {
            let words = if exclusive { "should be greater than" } else { "should be greater than or equal to" };
            errors.push(invalid(path, value.clone(), &format!("{words} {}", shown(min))));
        }
    }
}

/// A number as Go prints it with `%v`.
fn shown(number: f64) -> String {
    if number != 0.0 && (number.abs() >= 1e21 || number.abs() < 1e-4) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(("+", exponent), |d| ("-", d));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{number}")
}

fn check_enum(node: Node<'_>, value: &Value, path: &str, errors: &mut FieldErrors) {
    let allowed = node.enum_values();
    if allowed.is_empty() || (value.is_null() && node.nullable()) || allowed.iter().any(|a| same(a, value)) {
        return;
    }
    let names: Vec<String> = allowed.iter().map(|a| a.as_str().map_or_else(|| a.to_string(), str::to_owned)).collect();
    errors.push(FieldError::not_supported(path, value.clone(), &names));
}

/// Equal as JSON: 1 is 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn check_items(node: Node<'_>, items: &[Value], old: Option<&Value>, path: &str, errors: &mut FieldErrors) {
    let Some(child) = node.items() else { return };
    let old_items = old.and_then(Value::as_array).filter(|_| node.list_type() == ListType::Map);
    for (index, item) in items.iter().enumerate() {
        // Only items with keys can be found again in the old list.
        let old = old_items.and_then(|old| old.iter().find(|o| map_keys(node, o) == map_keys(node, item)));
        check(child, item, old, &format!("{path}[{index}]"), errors);
    }
}

/// `allOf`, `anyOf`, `oneOf`, `not`: which alternatives hold, and the errors of the first where none does.
fn check_combinations(node: Node<'_>, value: &Value, path: &str, errors: &mut FieldErrors) {
    let mut failures: Vec<FieldErrors> = Vec::new();
    let mut count = |alternatives: &mut dyn Iterator<Item = Node<'_>>| -> (usize, usize) {
        failures.clear();
        let (mut total, mut good) = (0, 0);
        for alternative in alternatives {
            total += 1;
            let found = validate(alternative, value, None, path);
            if found.is_empty() {
                good += 1;
            } else {
                failures.push(found);
            }
        }
        (total, good)
    };
    let (any, good) = count(&mut node.any_of());
    let mut fail = |text: String, best: Option<FieldErrors>| {
        errors.push(no_field(text));
        errors.extend(best.into_iter().flatten());
    };
    if any > 0 && good == 0 {
        let best = first_failure(node.any_of(), value, path);
        fail(format!("{path:?} must validate at least one schema (anyOf)"), best);
    }
    let (one, good) = count(&mut node.one_of());
    if one > 0 && good != 1 {
        let text = format!("{path:?} must validate one and only one schema (oneOf). Found ");
        if good == 0 {
            let best = first_failure(node.one_of(), value, path);
            fail(format!("{text}none valid"), best);
        } else {
            fail(format!("{text}{good} valid alternatives"), None);
        }
    }
    let (all, good) = count(&mut node.all_of());
    if all > 0 && good < all {
        let best: FieldErrors = failures.iter().flatten().cloned().collect();
        let text = if good == 0 { ". None validated" } else { "" };
        fail(format!("{path:?} must validate all the schemas (allOf){text}"), Some(best));
    }
    if let Some(not) = node.not_schema()
        && validate(not, value, None, path).is_empty()
    {
        fail(format!("{path:?} must not validate the schema (not)"), None);
    }
}

fn first_failure<'a>(alternatives: impl Iterator<Item = Node<'a>>, value: &Value, path: &str) -> Option<FieldErrors> {
    alternatives.map(|a| validate(a, value, None, path)).find(|found| !found.is_empty())
}

/// The key values of an item of a list map; absent keys take their default.
fn map_keys(node: Node<'_>, item: &Value) -> Value {
    let child = node.items();
    Value::Object(
        node.list_map_keys()
            .filter_map(|key| {
                let default = || child?.own_field(key)?.default_value();
                let value = item.get(key).or_else(default)?;
                Some((key.to_owned(), value.clone()))
            })
            .collect(),
    )
}

/// Duplicates in sets and list maps.
pub(super) fn lists(node: Node<'_>, value: &Value, path: &str, errors: &mut FieldErrors) {
    if errors.len() > MAX_ERRORS {
        return;
    }
    match value {
        Value::Array(items) => {
            let keyed: Option<Vec<Value>> = match node.list_type() {
                ListType::Atomic => None,
                ListType::Set => Some(items.clone()),
                ListType::Map => Some(items.iter().map(|item| map_keys(node, item)).collect()),
            };
            if let Some(keys) = keyed {
                let mut seen = std::collections::HashSet::new();
                let mut told = std::collections::HashSet::new();
                for (index, key) in keys.iter().enumerate() {
                    let text = key.to_string();
                    if !seen.insert(text.clone()) && told.insert(text) {
                        errors.push(FieldError::duplicate(format!("{path}[{index}]"), key.clone()));
                    }
                }
            }
            if let Some(child) = node.items() {
                for (index, item) in items.iter().enumerate() {
                    lists(child, item, &format!("{path}[{index}]"), errors);
                }
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                if let Some(child) = node.own_field(name).or_else(|| node.additional()) {
                    lists(child, item, &join(path, name), errors);
                }
            }
        }
        _ => {}
    }
}

/// Embedded resources must say what they are.
pub(super) fn embedded(node: Node<'_>, value: &Value, path: &str, root: bool, errors: &mut FieldErrors) {
    match value {
        Value::Object(map) => {
            if node.is_resource() && !root {
                for key in ["apiVersion", "kind"] {
                    if map.get(key).and_then(Value::as_str).unwrap_or_default().is_empty() {
                        errors.push(FieldError::required(join(path, key), "must not be empty"));
                    }
                }
            }
            for (name, item) in map {
                if let Some(child) = node.own_field(name).or_else(|| node.additional()) {
                    embedded(child, item, &join(path, name), false, errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                for (index, item) in items.iter().enumerate() {
                    embedded(child, item, &format!("{path}[{index}]"), false, errors);
                }
            }
        }
        _ => {}
    }
}
