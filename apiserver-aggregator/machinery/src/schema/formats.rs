//! String formats that Kubernetes checks.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The formats that a schema may name without a warning.
const KNOWN: &[&str] = &[
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "date-time",
    "datetime",
    "double",
    "duration",
    "email",
    "float",
    "hexcolor",
    "hostname",
    "int32",
    "int64",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8s-long-name",
    "k8s-short-name",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
];

/// Whether Kubernetes knows the format.
pub(crate) fn known(format: &str) -> bool {
    KNOWN.contains(&format)
}

/// Whether the text has the format; `None` for formats that are not checked.
pub(super) fn check(format: &str, text: &str) -> Option<bool> {
    Some(match format {
        "byte" => STANDARD.decode(text).is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "date-time" | "datetime" => date_time(text),
        "duration" => duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid(format, text),
        "hostname" => crate::kinds::names::dns_subdomain(&text.to_ascii_lowercase()).is_none(),
        "email" => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')),
        "uri" => uri(text),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "k8s-short-name" => crate::kinds::names::dns_label(text).is_none(),
        "k8s-long-name" => crate::kinds::names::dns_subdomain(text).is_none(),
        _ => return None,
    })
}

/// RFC 3339; a time without seconds or zone is no date-time.
fn date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 19 && matches!(bytes[10], b'T' | b't' | b' ') && text.parse::<jiff::Timestamp>().is_ok()
}

/// Go's durations, such as `1h30m` or `-1.5s`, and words such as `3 days`.
fn duration(text: &str) -> bool {
    if text == "0" {
        return true;
    }
    let mut rest = text.trim().trim_start_matches(['+', '-']);
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if number == 0 || rest[..number].parse::<f64>().is_err() {
            return false;
        }
        rest = rest[number..].trim_start();
        let unit = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let known = matches!(
            &rest[..unit],
            "ns" | "us"
                | "µs"
                | "μs"
                | "ms"
                | "s"
                | "m"
                | "h"
                | "d"
                | "w"
                | "sec"
                | "secs"
                | "second"
                | "seconds"
                | "min"
                | "mins"
                | "minute"
                | "minutes"
                | "hr"
                | "hrs"
                | "hour"
                | "hours"
                | "day"
                | "days"
                | "week"
                | "weeks"
                | "milli"
                | "millis"
                | "micro"
                | "micros"
                | "nano"
                | "nanos"
                | "millisecond"
                | "milliseconds"
                | "microsecond"
                | "microseconds"
                | "nanosecond"
                | "nanoseconds"
        );
        if !known {
            return false;
        }
        rest = rest[unit..].trim_start();
    }
    true
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let max = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= max)
}

fn mac(text: &str) -> bool {
    let separator = if text.contains('-') { '-' } else { ':' };
    let parts: Vec<&str> = text.split(separator).collect();
    matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// With or without dashes; the numbered formats want their version digit.
fn uuid(format: &str, text: &str) -> bool {
    let dashes = |bytes: &[u8]| [8, 13, 18, 23].iter().all(|i| bytes.get(*i) == Some(&b'-'));
    let bytes = text.as_bytes();
    let shaped = (bytes.len() == 36 && dashes(bytes)) || bytes.len() == 32;
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    let version = format.strip_prefix("uuid").unwrap_or_default();
    shaped
        && hex.len() == 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
        && (version.is_empty() || hex.get(12..13) == Some(version))
}

/// An absolute URI or path.
fn uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
        return false;
    }
    let scheme = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    text.starts_with('/') || text.split_once(':').is_some_and(|(s, _)| scheme(s))
}
