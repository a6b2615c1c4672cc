//! Forms of names and values, with Kubernetes' wording when they are not kept.

const NAME_CHARACTERS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DNS1123_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS1123_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS1123_WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS1035_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// The longest label, name part or label value.
const LABEL_MAX: usize = 63;
/// The longest subdomain.
const SUBDOMAIN_MAX: usize = 253;

fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// Whether the text begins and ends with an alphanumeric character and has only those and `inner` ones between.
fn bounded(text: &str, alphanumeric: impl Fn(char) -> bool, inner: &str) -> bool {
    text.chars().next().is_some_and(&alphanumeric)
        && text.chars().next_back().is_some_and(&alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || inner.contains(c))
}

fn lower_alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn findings(max: usize, length: usize, ok: bool, wording: &str) -> Vec<String> {
    let mut found = vec![];
    if length > max {
        found.push(too_long(max));
    }
    if !ok {
        found.push(wording.to_owned());
    }
    found
}

/// What is wrong with a DNS label.
#[must_use]
pub fn dns1123_label(text: &str) -> Vec<String> {
    let ok = bounded(text, lower_alphanumeric, "-");
    let wording = if is_subdomain(text) { "must not contain dots" } else { DNS1123_LABEL };
    findings(LABEL_MAX, text.len(), ok, wording)
}

/// What is wrong with a DNS label that begins with a letter.
#[must_use]
pub fn dns1035_label(text: &str) -> Vec<String> {
    let ok = bounded(text, lower_alphanumeric, "-") && text.starts_with(|c: char| c.is_ascii_lowercase());
    findings(LABEL_MAX, text.len(), ok, DNS1035_LABEL)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|part| bounded(part, lower_alphanumeric, "-"))
}

/// What is wrong with a DNS subdomain.
#[must_use]
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    findings(SUBDOMAIN_MAX, text.len(), is_subdomain(text), DNS1123_SUBDOMAIN)
}

/// What is wrong with a DNS subdomain under a wildcard.
#[must_use]
pub fn wildcard_subdomain(text: &str) -> Vec<String> {
    let ok = text.strip_prefix("*.").is_some_and(is_subdomain);
    findings(SUBDOMAIN_MAX, text.len(), ok, DNS1123_WILDCARD)
}

/// What is wrong with a label value.
#[must_use]
pub fn label_value(text: &str) -> Vec<String> {
    let ok = text.is_empty() || bounded(text, alphanumeric, "-_.");
    findings(LABEL_MAX, text.len(), ok, LABEL_VALUE)
}

/// What is wrong with a qualified name, such as the key of a label.
#[must_use]
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut found = vec![];
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                found.push("prefix part must be non-empty".to_owned());
            } else {
                found.extend(dns1123_subdomain(prefix).into_iter().map(|m| format!("prefix part {m}")));
            }
            *name
        }
        _ => {
            found.push(format!(
                "a qualified name {NAME_CHARACTERS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return found;
        }
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        found.push(format!("name part {}", too_long(LABEL_MAX)));
    }
    if !bounded(name, alphanumeric, "-_.") {
        found.push(format!("name part {NAME_CHARACTERS}"));
    }
    found
}

/// What is wrong with a fully qualified domain name of two segments or more, worded for a field.
#[must_use]
pub fn domain_name(text: &str) -> Vec<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let found = dns1123_subdomain(text);
    if found.is_empty() && text.split('.').count() < 2 {
        return vec!["should be a domain with at least two segments separated by dots".to_owned()];
    }
    found
}

/// What is wrong with a port number.
#[must_use]
pub fn port(number: i64) -> Vec<String> {
    if (1..=65535).contains(&number) { vec![] } else { vec!["must be between 1 and 65535, inclusive".to_owned()] }
}

/// What is wrong with the name of a port.
#[must_use]
pub fn port_name(text: &str) -> Vec<String> {
    let mut found = vec![];
    if text.len() > 15 {
        found.push(too_long(15));
    }
    if !text.chars().all(|c| lower_alphanumeric(c) || c == '-') {
        found.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.chars().any(|c| c.is_ascii_lowercase()) {
        found.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        found.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        found.push("must not begin or end with a hyphen".to_owned());
    }
    found
}

/// What is wrong with a JSON pointer.
#[must_use]
pub fn json_pointer(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.starts_with('/') {
        let mut rest = text;
        while let Some(at) = rest.find('~') {
            if !rest[at + 1..].starts_with(['0', '1']) {
                return Some(
                    "JSON pointer contains an invalid escape: a tilde must be followed by 0 or 1\nJSON pointer error",
                );
            }
            rest = &rest[at + 1..];
        }
        None
    } else {
        Some("JSON pointer must be empty or start with a \"/\"\nJSON pointer error")
    }
}

/// What is wrong with the name of a cluster.
#[must_use]
pub fn cluster_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["must be not empty".to_owned()];
    }
    if text.len() > crate::names::CLUSTER_NAME_MAX {
        return vec![format!("must be no more than {} characters", crate::names::CLUSTER_NAME_MAX)];
    }
    dns1123_label(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(dns1123_label("a-1").is_empty() && !dns1123_label("a-").is_empty() && !dns1123_label("").is_empty());
        assert!(!dns1035_label("1a").is_empty());
        assert!(dns1123_subdomain("a.b-c.d").is_empty() && !dns1123_subdomain("a..b").is_empty());
        assert!(qualified_name("example.com/My_Name").is_empty());
        assert!(!qualified_name("a/b/c").is_empty() && !qualified_name("/a").is_empty());
        assert!(label_value("").is_empty() && !label_value("a b").is_empty());
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert!(wildcard_subdomain("*.a.b").is_empty() && !wildcard_subdomain("*a").is_empty());
    }

    #[test]
    fn pointers() {
        assert!(json_pointer("").is_none() && json_pointer("/a/~1b").is_none());
        assert!(json_pointer("a").is_some() && json_pointer("/a~2").is_some());
    }
}
