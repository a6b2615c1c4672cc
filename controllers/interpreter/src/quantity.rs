//! Resource quantities: Kubernetes' fixed-point numbers with suffixes.
//!
//! A quantity is held exactly in units of 10⁻⁹ (finer input rounds away from zero, as Kubernetes does) together with
//! the family of suffixes it was written in, which decides how it prints.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// How many of the internal units make one.
const ONE: i128 = 1_000_000_000;

/// Magnitudes beyond this are held at this bound: far above what any resource can be, far below overflow of sums.
const BOUND: i128 = i128::MAX / 1_000_000;

/// The family of suffixes a quantity prints with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Powers of ten with letters: `500m`, `2k`.
    #[default]
    DecimalSi,
    /// Powers of 1024: `64Mi`.
    BinarySi,
    /// Powers of ten with an exponent: `1e3`.
    DecimalExponent,
}

/// A quantity of a resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// Why a text is not a quantity, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not look like a number with a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The number is not one.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// A whole number of something.
    pub fn new(value: i64, format: Format) -> Self {
        Self { nano: i128::from(value) * ONE, format }
    }

    /// A number of thousandths.
    pub fn milli(value: i64, format: Format) -> Self {
        Self { nano: i128::from(value) * (ONE / 1000), format }
    }

    /// The value in whole units, rounded up.
    pub fn value(self) -> i64 {
        clamp(ceil_div(self.nano, ONE))
    }

    /// The value in thousandths, rounded up.
    pub fn milli_value(self) -> i64 {
        clamp(ceil_div(self.nano, ONE / 1000))
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// The family of suffixes that it prints with.
    pub fn format(self) -> Format {
        self.format
    }

    /// The sum, printed as the first of the two that is not zero.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nano: (self.nano + other.nano).clamp(-BOUND, BOUND), format }
    }

    /// The difference, printed as the first of the two that is not zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self { nano: -other.nano, format: other.format })
    }

    /// That many times the quantity.
    #[must_use]
    pub fn times(self, factor: i64) -> Self {
        Self { nano: self.nano.saturating_mul(i128::from(factor)).clamp(-BOUND, BOUND), format: self.format }
    }

    /// Reads a JSON string or number.
    ///
    /// # Errors
    /// Anything else, or text that is not a quantity.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, QuantityError> {
        match value {
            serde_json::Value::String(text) => text.parse(),
            serde_json::Value::Number(number) => number.to_string().parse(),
            _ => Err(QuantityError::Format),
        }
    }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn ceil_div(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by > 0 { quotient + 1 } else { quotient }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let negative = text.starts_with('-');
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        if number.is_empty() || !suffix_shape(suffix) {
            return Err(QuantityError::Format);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(QuantityError::Numeric);
        }
        let (scale, format) = scale_of(suffix)?;
        let nano = scaled(whole, fraction, scale);
        Ok(Self { nano: if negative { -nano } else { nano }, format })
    }
}

fn suffix_shape(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    rest.chars().all(|c| c.is_ascii_digit())
}

/// What a suffix multiplies with.
enum Scale {
    Ten(i32),
    Two(u32),
}

fn scale_of(suffix: &str) -> Result<(Scale, Format), QuantityError> {
    let decimal = |power| Ok((Scale::Ten(power), Format::DecimalSi));
    let binary = |power| Ok((Scale::Two(power), Format::BinarySi));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix
                .strip_prefix(['e', 'E'])
                .and_then(|digits| digits.parse::<i32>().ok())
                .ok_or(QuantityError::Suffix)?;
            Ok((Scale::Ten(exponent), Format::DecimalExponent))
        }
    }
}

/// `whole.fraction` times the scale, in internal units, rounded away from zero and held at the bound.
fn scaled(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let mut mantissa: i128 = 0;
    let mut inexact = false;
    let mut digits_after_point: i32 = 0;
    for (index, digit) in whole.bytes().chain(fraction.bytes()).enumerate() {
        if mantissa > BOUND / 1_000_000_000_000 {
            // More digits than can matter; remember only that something was cut, and by how much whole digits scale.
            if index < whole.len() {
                return BOUND;
            }
            inexact |= digit != b'0';
            continue;
        }
        mantissa = mantissa * 10 + i128::from(digit - b'0');
        if index >= whole.len() {
            digits_after_point += 1;
        }
    }
    let (mut mantissa, power) = match scale {
        Scale::Ten(power) => (mantissa, power.clamp(-64, 64) - digits_after_point + 9),
        Scale::Two(power) => match mantissa.checked_mul(1_i128 << power) {
            Some(value) => (value, 9 - digits_after_point),
            None => return BOUND,
        },
    };
    if mantissa == 0 {
        return 0;
    }
    for _ in 0..power.max(0) {
        mantissa = mantissa.saturating_mul(10);
        if mantissa > BOUND {
            return BOUND;
        }
    }
    for _ in 0..(-power).max(0) {
        inexact |= mantissa % 10 != 0;
        mantissa /= 10;
    }
    (mantissa + i128::from(inexact)).min(BOUND)
}

impl fmt::Display for Quantity {
    /// Prints the canonical form: the largest suffix that keeps the number whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nano.unsigned_abs();
        if magnitude == 0 {
            return f.write_str("0");
        }
        let sign = if self.nano < 0 { "-" } else { "" };
        let one = ONE.unsigned_abs();
        // Small and fractional quantities print in decimal even if they were written in binary, lest they be rounded.
        if self.format == Format::BinarySi && magnitude >= 1024 * one && magnitude.is_multiple_of(one) {
            let mut number = magnitude / one;
            let mut suffix = 0;
            while number.is_multiple_of(1024) && suffix < 6 {
                number /= 1024;
                suffix += 1;
            }
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][suffix];
            return write!(f, "{sign}{number}{suffix}");
        }
        let mut number = magnitude;
        let mut exponent = -9;
        while number.is_multiple_of(1000) && exponent < 18 {
            number /= 1000;
            exponent += 3;
        }
        if self.format == Format::DecimalExponent {
            if exponent == 0 {
                return write!(f, "{sign}{number}");
            }
            return write!(f, "{sign}{number}e{exponent}");
        }
        let suffix = match exponent {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => "",
        };
        write!(f, "{sign}{number}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_canonical_form() {
        for (text, canonical) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1000m", "1"),
            ("1e3", "1e3"),
            ("1000", "1k"),
            ("1333000000", "1333M"),
            ("1Ki", "1Ki"),
            ("1023Mi", "1023Mi"),
            ("0.5Ki", "512"),
            ("1.5", "1500m"),
            ("100u", "100u"),
            ("0.1n", "1n"),
            ("-5m", "-5m"),
            ("12E", "12E"),
            ("+1", "1"),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_quantity() {
        for text in ["", "many", "1x", "1.2.3", ".", "1 Gi", "Gi", "1eG"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn rounds_up() {
        let quantity: Quantity = "1500.1m".parse().unwrap();
        assert_eq!(quantity.milli_value(), 1501);
        assert_eq!(quantity.value(), 2);
    }
}
