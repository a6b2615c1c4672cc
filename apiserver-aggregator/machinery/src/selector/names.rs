//! Rules for label keys and values, with Kubernetes' texts.

use crate::kinds::names::dns_subdomain;

const MAX_BYTES: usize = 63;
const NAME_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn name_rule(prefix: &str, examples: &[&str], regex: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}'")).collect();
    format!(
        "{prefix} consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
         character (e.g. {}, regex used for validation is '{regex}')",
        examples.join(",  or ")
    )
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        }
        _ => false,
    }
}

/// What is wrong with a qualified name, such as a label key or an annotation key: `name` or `prefix/name`.
pub fn qualified_name_errors(key: &str) -> Vec<String> {
    let examples = ["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let mut parts = key.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else if let Some(error) = dns_subdomain(prefix) {
                errors.push(format!("prefix part {error}"));
            }
            name
        }
        _ => {
            let rule = name_rule("a qualified name must", &examples, NAME_REGEX);
            return vec![format!("{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > MAX_BYTES {
        errors.push(format!("name part must be no more than {MAX_BYTES} bytes"));
    }
    if !is_name(name) {
        errors.push(name_rule("name part must", &examples, NAME_REGEX));
    }
    errors
}

/// What is wrong with a label's value.
pub fn label_value_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > MAX_BYTES {
        errors.push(format!("must be no more than {MAX_BYTES} bytes"));
    }
    if !value.is_empty() && !is_name(value) {
        let regex = format!("({NAME_REGEX})?");
        errors.push(name_rule("a valid label must be an empty string or", &["MyValue", "my_value", "12345"], &regex));
    }
    errors
}
