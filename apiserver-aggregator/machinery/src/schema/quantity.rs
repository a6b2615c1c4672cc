//! Quantities in canonical form, as typed kinds carry them.

use serde_json::Value;

/// What Go says about a string that is no quantity.
pub(crate) const FORMAT_ERROR: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

/// A quantity: `mantissa × 10^exponent` or `mantissa × 2^exponent`.
struct Parsed {
    negative: bool,
    digits: u128,
    /// Decimal places in `digits`.
    scale: i32,
    format: Format,
    /// Power of 10, or of 2 for binary suffixes.
    exponent: i32,
}

const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: &[(&str, i32)] = &[("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

fn parse(text: &str) -> Result<Parsed, &'static str> {
    const SUFFIX_ERROR: &str = "unable to parse quantity's suffix";
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(FORMAT_ERROR);
    }
    // More digits than any quantity can hold are cut, as Go caps and rounds them.
    let mut digits: u128 = 0;
    let mut scale = 0;
    for (index, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
        if digits > u128::MAX / 100 {
            if index < whole.len() {
                scale -= 1;
            }
            continue;
        }
        digits = digits * 10 + u128::from(byte - b'0');
        if index >= whole.len() {
            scale += 1;
        }
    }
    let (format, exponent) = if let Some((_, exponent)) = BINARY.iter().find(|(s, _)| *s == suffix) {
        (Format::Binary, *exponent)
    } else if let Some((_, exponent)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        (Format::Decimal, *exponent)
    } else if let Some(power) = suffix.strip_prefix(['e', 'E']) {
        if power.is_empty() || !power.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+') {
            return Err(if suffix.bytes().all(|b| b"eEinumkKMGTP+-0123456789".contains(&b)) {
                SUFFIX_ERROR
            } else {
                FORMAT_ERROR
            });
        }
        (Format::Exponent, power.trim_start_matches('+').parse::<i32>().map_err(|_| SUFFIX_ERROR)?.clamp(-30, 30))
    } else if suffix.bytes().all(|b| b"eEinumkKMGTP+-0123456789".contains(&b)) {
        return Err(SUFFIX_ERROR);
    } else {
        return Err(FORMAT_ERROR);
    };
    Ok(Parsed { negative, digits, scale, format, exponent })
}

/// The value in units of 10⁻⁹, rounded up; saturates.
fn nanos(parsed: &Parsed) -> u128 {
    let mut value = parsed.digits;
    let mut power = 9 - parsed.scale;
    if parsed.format == Format::Binary {
        // Only whole bytes matter beyond the ninth decimal place, and the factor is at most 2^60.
        value = value.checked_shl(u32::try_from(parsed.exponent).unwrap_or_default()).unwrap_or(u128::MAX);
        if value >> parsed.exponent != parsed.digits {
            value = u128::MAX >> 1;
        }
    } else {
        power += parsed.exponent;
    }
    while power > 0 {
        match value.checked_mul(10) {
            Some(next) => value = next,
            None => return u128::MAX,
        }
        power -= 1;
    }
    while power < 0 && value > 0 {
        value = value / 10 + u128::from(!value.is_multiple_of(10));
        power += 1;
    }
    value
}

/// The largest value, 2^63-1, in units of 10⁻⁹.
const MAX: u128 = (i64::MAX as u128) * 1_000_000_000;

/// The canonical form of a quantity: no fraction, the largest suffix that loses nothing, in the family of the suffix that
/// was given. The error is Go's text.
pub fn canonical(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err(FORMAT_ERROR);
    }
    let mut parsed = parse(text)?;
    let nanos = nanos(&parsed).min(MAX);
    if nanos == 0 {
        return Ok("0".to_owned());
    }
    const ONE: u128 = 1_000_000_000;
    // Fractions and amounts below 1024 cannot be said in powers of two.
    if parsed.format == Format::Binary && (!nanos.is_multiple_of(ONE) || nanos / ONE < 1024) {
        parsed.format = Format::Decimal;
    }
    let sign = if parsed.negative { "-" } else { "" };
    Ok(match parsed.format {
        Format::Binary => {
            let mut value = nanos / ONE;
            let mut index = None;
            while value.is_multiple_of(1024) && index.map_or(0, |i: usize| i + 1) < BINARY.len() {
                value /= 1024;
                index = Some(index.map_or(0, |i| i + 1));
            }
            format!("{sign}{value}{}", index.map_or("", |i| BINARY[i].0))
        }
        Format::Decimal | Format::Exponent => {
            let (mut value, mut power) = (nanos, -9);
            while value % 1000 == 0 && power < 18 {
                value /= 1000;
                power += 3;
            }
            match parsed.format {
                Format::Exponent if power == 0 => format!("{sign}{value}"),
                Format::Exponent => format!("{sign}{value}e{power}"),
                _ => {
                    let suffix = DECIMAL.iter().find(|(_, p)| *p == power).map_or("", |(s, _)| *s);
                    format!("{sign}{value}{suffix}")
                }
            }
        }
    })
}

/// The value of a quantity in units of 10⁻⁹, with its sign; `None` if it is no quantity.
pub(crate) fn signed_nanos(value: &Value) -> Option<i128> {
    let parsed = match value {
        Value::String(text) => parse(text.trim()).ok()?,
        Value::Number(number) => parse(&number.to_string()).ok()?,
        _ => return None,
    };
    let amount = i128::try_from(nanos(&parsed).min(MAX)).unwrap_or(i128::MAX);
    Some(if parsed.negative { -amount } else { amount })
}

/// The canonical form of a quantity given as a string or number.
pub(crate) fn canonical_value(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => canonical(text.trim()),
        Value::Number(number) => canonical(&number.to_string()),
        _ => Err(FORMAT_ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (given, wanted) in [
            ("1000m", "1"),
            ("1048576Ki", "1Gi"),
            ("1e3", "1e3"),
            ("1.5", "1500m"),
            ("2048Mi", "2Gi"),
            ("5G", "5G"),
            ("0.1", "100m"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("0", "0"),
            ("0Mi", "0"),
            ("-5m", "-5m"),
            ("1.5Gi", "1536Mi"),
            ("100", "100"),
            ("0.5Ki", "512"),
            ("1E", "1E"),
            ("12e6", "12e6"),
            (".5", "500m"),
            ("5.", "5"),
        ] {
            assert_eq!(canonical(given).unwrap(), wanted, "{given}");
        }
        for bad in ["", "x", "1x", "1.2.3", "--1", "1ee", "1 Gi"] {
            assert!(canonical(bad).is_err(), "{bad}");
        }
        assert!(canonical(&"9".repeat(500)).is_ok());
    }
}
