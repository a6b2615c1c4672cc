//! Values as Go prints them: some of Kubernetes' error texts carry them, and clients compare texts.

use std::fmt::Write as _;

use serde_json::Value;

/// Go's `%v` of a decoded JSON value: `map[a:1 b:[x y]]`.
pub fn plain(value: &Value) -> String {
    let mut text = String::new();
    write_plain(&mut text, value);
    text
}

/// Go's `%v` of a list of values.
pub(crate) fn plain_list(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(plain).collect();
    format!("[{}]", texts.join(" "))
}

fn write_plain(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(s) => out.push_str(s),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                write_plain(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push_str("map[");
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write_plain(out, item);
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

/// Go's `%#v` of a decoded JSON value: `map[string]interface {}{"a":1}`.
pub fn syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(s) => format!("{s:?}"),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(syntax).collect();
            format!("[]interface {{}}{{{}}}", texts.join(", "))
        }
        Value::Object(map) => {
            let texts: Vec<String> = map.iter().map(|(k, v)| format!("{k:?}:{}", syntax(v))).collect();
            format!("map[string]interface {{}}{{{}}}", texts.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// The name of a JSON value's type in the errors of Go's decoder.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Go's `%v` of a number: fractional ones with an exponent from a million on.
pub fn number(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e').and_then(|(d, e)| Some((d, e.parse::<i32>().ok()?)))
    else {
        return scientific;
    };
    if (-4..6).contains(&exponent) {
        format!("{float}")
    } else {
        format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}
