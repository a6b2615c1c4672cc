//! Rules for names: DNS-1123 labels and subdomains, DNS-1035 labels, path segments.
//!
//! Each function returns `None` for a good name and the text of Kubernetes' field error for a bad one.

const DNS_SUBDOMAIN_MAX: usize = 253;
const DNS_LABEL_MAX: usize = 63;

const SUBDOMAIN_TEXT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_TEXT: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_TEXT: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn is_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            alphanumeric(first) && alphanumeric(last) && bytes.iter().all(|&b| alphanumeric(b) || b == b'-')
        }
        _ => false,
    }
}

/// A DNS-1123 subdomain of at most 253 bytes: the rule for most names.
pub fn dns_subdomain(name: &str) -> Option<String> {
    if name.len() > DNS_SUBDOMAIN_MAX {
        return Some(format!("must be no more than {DNS_SUBDOMAIN_MAX} characters"));
    }
    if name.split('.').all(is_label) { None } else { Some(SUBDOMAIN_TEXT.to_owned()) }
}

/// A DNS-1123 label of at most 63 bytes: namespaces and others.
pub fn dns_label(name: &str) -> Option<String> {
    if name.len() > DNS_LABEL_MAX {
        return Some(format!("must be no more than {DNS_LABEL_MAX} characters"));
    }
    if is_label(name) { None } else { Some(LABEL_TEXT.to_owned()) }
}

/// A DNS-1035 label of at most 63 bytes: services.
pub fn dns_1035_label(name: &str) -> Option<String> {
    if name.len() > DNS_LABEL_MAX {
        return Some(format!("must be no more than {DNS_LABEL_MAX} characters"));
    }
    if is_label(name) && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase) {
        None
    } else {
        Some(LABEL_1035_TEXT.to_owned())
    }
}

/// A path segment: RBAC kinds, which allow any name that fits in a URL path.
pub fn path_segment(name: &str) -> Option<String> {
    match name {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ if name.contains('/') => Some("may not contain '/'".to_owned()),
        _ if name.contains('%') => Some("may not contain '%'".to_owned()),
        _ => None,
    }
}

/// A DNS-1123 subdomain of at most 63 bytes, since pods carry it in a label: stateful sets.
pub fn stateful_set(name: &str) -> Option<String> {
    at_most(name, 63)
}

/// A DNS-1123 subdomain of at most 52 bytes, since jobs append a suffix: cron jobs.
pub fn cron_job(name: &str) -> Option<String> {
    at_most(name, 52)
}

fn at_most(name: &str, max: usize) -> Option<String> {
    if name.len() > max {
        return Some(format!("must be no more than {max} characters"));
    }
    dns_subdomain(name)
}
