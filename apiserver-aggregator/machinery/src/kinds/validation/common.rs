//! Readers and checks that the validation of all kinds is made of.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::field::{ErrorKind, FieldError, FieldErrors};
use crate::kinds::names;
use crate::schema::quantity;
use crate::selector::{label_value_errors, qualified_name_errors};

pub(super) const NON_NEGATIVE: &str = "must be greater than or equal to 0";
pub(super) const IMMUTABLE: &str = "field is immutable";
const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";
const IP_TEXT: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// The text at a key; empty where absent.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a key; empty where absent.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The list at a key with the path of each item.
pub(super) fn each<'a>(value: &'a Value, key: &str, path: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let path = at(path, key);
    list(value, key).iter().enumerate().map(move |(index, item)| (format!("{path}[{index}]"), item))
}

/// The pairs of the map at a key, in the order of their keys.
pub(super) fn pairs<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

pub(super) fn int(value: &Value, key: &str) -> Option<i64> {
    value.get(key).and_then(Value::as_i64)
}

pub(super) fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// The value at a key unless it is null.
pub(super) fn given<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|v| !v.is_null())
}

/// The path of a field.
pub(super) fn at(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `Invalid value` that shows text which is no JSON of ours, such as a Go structure.
pub(super) fn invalid_raw(path: impl Into<String>, shown: &str, detail: &str) -> FieldError {
    FieldError { kind: ErrorKind::Invalid, field: path.into(), value: None, detail: format!("{shown}: {detail}") }
}

/// `Invalid value` with the text of the value and what is wrong; nothing if nothing is.
pub(super) fn check(e: &mut FieldErrors, path: impl Into<String>, value: &str, wrong: Option<String>) {
    if let Some(detail) = wrong {
        e.push(FieldError::invalid(path, value, detail));
    }
}

pub(super) fn required(e: &mut FieldErrors, object: &Value, key: &str, path: &str) -> bool {
    let missing = text(object, key).is_empty();
    if missing {
        e.push(FieldError::required(at(path, key), ""));
    }
    !missing
}

pub(super) fn non_negative(e: &mut FieldErrors, object: &Value, key: &str, path: &str) {
    if let Some(number) = int(object, key).filter(|n| *n < 0) {
        e.push(FieldError::invalid(at(path, key), number, NON_NEGATIVE));
    }
}

/// The text at a key is one of these. Absent text is judged too unless `optional`.
pub(super) fn one_of(e: &mut FieldErrors, object: &Value, key: &str, path: &str, supported: &[&str], optional: bool) {
    let value = text(object, key);
    if !(optional && given(object, key).is_none() || supported.contains(&value)) {
        e.push(FieldError::not_supported(at(path, key), value, supported));
    }
}

/// As [`one_of`], but absent text is an error of its own.
pub(super) fn required_one_of(e: &mut FieldErrors, object: &Value, key: &str, path: &str, supported: &[&str]) {
    if required(e, object, key, path) {
        one_of(e, object, key, path, supported, false);
    }
}

pub(super) fn label_pairs<'a>(e: &mut FieldErrors, labels: impl Iterator<Item = (&'a String, &'a Value)>, path: &str) {
    for (key, value) in labels {
        qualified(e, key, path);
        let value = value.as_str().unwrap_or_default();
        for wrong in label_value_errors(value) {
            e.push(FieldError::invalid(path, value, wrong));
        }
    }
}

pub(super) fn qualified(e: &mut FieldErrors, name: &str, path: &str) {
    for wrong in qualified_name_errors(name) {
        e.push(FieldError::invalid(path, name, wrong));
    }
}

/// Labels and annotations of a template.
pub(super) fn template_metadata(e: &mut FieldErrors, template: &Value, path: &str) {
    let metadata = template.get("metadata").unwrap_or(&Value::Null);
    let path = at(path, "metadata");
    label_pairs(e, pairs(metadata, "labels"), &at(&path, "labels"));
    for (key, _) in pairs(metadata, "annotations") {
        for wrong in qualified_name_errors(&key.to_lowercase()) {
            e.push(FieldError::invalid(at(&path, "annotations"), key.as_str(), wrong));
        }
    }
}

pub(super) fn port_number(e: &mut FieldErrors, port: i64, path: impl Into<String>) {
    if !(1..=65535).contains(&port) {
        e.push(FieldError::invalid(path, port, PORT_RANGE));
    }
}

/// What is wrong with the name of a port.
pub(super) fn port_name_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > 15 {
        errors.push("must be no more than 15 characters");
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        errors.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        errors.push("must not begin or end with a hyphen");
    }
    errors.into_iter().map(str::to_owned).collect()
}

/// A port's number or name at a key.
pub(super) fn port(e: &mut FieldErrors, object: &Value, key: &str, path: &str) {
    match object.get(key) {
        Some(Value::String(name)) => {
            for wrong in port_name_errors(name) {
                e.push(FieldError::invalid(at(path, key), name.as_str(), wrong));
            }
        }
        other => port_number(e, other.and_then(Value::as_i64).unwrap_or_default(), at(path, key)),
    }
}

/// The value of an int-or-string, percents as their number.
pub(super) fn percent(value: &Value) -> Option<i64> {
    value.as_str()?.strip_suffix('%').filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// A non-negative number or a percentage at a key.
pub(super) fn int_or_percent(e: &mut FieldErrors, object: &Value, key: &str, path: &str) {
    match given(object, key) {
        Some(Value::String(text)) => {
            let digits = text.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            if !digits {
                e.push(FieldError::invalid(at(path, key), text.as_str(), PERCENT));
            }
        }
        _ => non_negative(e, object, key, path),
    }
}

pub(super) fn at_most_100_percent(e: &mut FieldErrors, object: &Value, key: &str, path: &str) {
    if let Some(value) = given(object, key)
        && percent(value).is_some_and(|n| n > 100)
    {
        e.push(FieldError::invalid(at(path, key), value.clone(), "must not be greater than 100%"));
    }
}

/// A quantity in units of 10⁻⁹, with its sign.
pub(super) fn amount(value: &Value) -> i128 {
    quantity::signed_nanos(value).unwrap_or_default()
}

/// A quantity as it is printed.
pub(super) fn shown(value: &Value) -> String {
    quantity::canonical_value(value).unwrap_or_else(|_| value.as_str().unwrap_or_default().to_owned())
}

pub(super) fn non_negative_quantity(e: &mut FieldErrors, value: &Value, path: impl Into<String>) {
    if amount(value) < 0 {
        e.push(FieldError::invalid(path, shown(value), NON_NEGATIVE));
    }
}

pub(super) fn positive_quantity(e: &mut FieldErrors, value: &Value, path: impl Into<String>) {
    if amount(value) <= 0 {
        e.push(FieldError::invalid(path, shown(value), "must be greater than zero"));
    }
}

pub(super) fn whole_quantity(e: &mut FieldErrors, value: &Value, path: impl Into<String>) {
    if amount(value) % 1_000_000_000 != 0 {
        e.push(FieldError::invalid(path, shown(value), "must be an integer"));
    }
}

/// What is wrong with a key of a ConfigMap or Secret.
pub(super) fn config_key_errors(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if key.len() > 253 {
        errors.push("must be no more than 253 characters".to_owned());
    }
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        errors.push(CONFIG_KEY.to_owned());
    }
    match key {
        "." => errors.push("must not be '.'".to_owned()),
        ".." => errors.push("must not be '..'".to_owned()),
        _ if key.starts_with("..") => errors.push("must not start with '..'".to_owned()),
        _ => {}
    }
    errors
}

pub(super) fn ip(e: &mut FieldErrors, address: &str, path: impl Into<String>) -> bool {
    let valid = address.parse::<IpAddr>().is_ok();
    if !valid {
        e.push(FieldError::invalid(path, address, IP_TEXT));
    }
    valid
}

/// An address that other machines can have.
pub(super) fn non_special_ip(e: &mut FieldErrors, address: &str, path: impl Into<String>) {
    let path = path.into();
    let Ok(parsed) = address.parse::<IpAddr>() else {
        e.push(FieldError::invalid(path, address, IP_TEXT));
        return;
    };
    let (link_local, link_local_multicast) = match parsed {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.segments()[0] & 0xffc0 == 0xfe80, ip.segments()[0] & 0xff0f == 0xff02),
    };
    for (special, wrong) in [
        (parsed.is_unspecified(), "may not be unspecified (0.0.0.0 or ::)"),
        (parsed.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (link_local_multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ] {
        if special {
            e.push(FieldError::invalid(path.as_str(), address, wrong));
        }
    }
}

/// Address and length of a CIDR.
pub(super) fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

pub(super) fn cidr(e: &mut FieldErrors, text: &str, path: impl Into<String>) -> bool {
    let valid = parse_cidr(text).is_some();
    if !valid {
        let wrong = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        e.push(FieldError::invalid(path, text, wrong));
    }
    valid
}

/// A label selector as Go prints it: labels before expressions.
pub(super) fn selector_text(selector: &Value) -> String {
    let mut parts = Vec::new();
    for key in ["matchLabels", "matchExpressions"] {
        if let Some(value) = given(selector, key).filter(|v| **v != Value::Object(Map::new())) {
            parts.push(format!("\"{key}\":{value}"));
        }
    }
    format!("{{{}}}", parts.join(","))
}

pub(super) fn selector_is_empty(selector: &Value) -> bool {
    pairs(selector, "matchLabels").next().is_none() && list(selector, "matchExpressions").is_empty()
}

/// A name of an object that something refers to.
pub(super) fn object_name(e: &mut FieldErrors, name: &str, path: impl Into<String>) {
    check(e, path, name, names::dns_subdomain(name));
}

/// A field that may not change.
pub(super) fn immutable(e: &mut FieldErrors, new: Option<&Value>, old: Option<&Value>, path: &str) {
    let (new, old) = (new.unwrap_or(&Value::Null), old.unwrap_or(&Value::Null));
    if new != old {
        e.push(FieldError::invalid(path, new.clone(), IMMUTABLE));
    }
}
