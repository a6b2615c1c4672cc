//! Exact arithmetic on Kubernetes resource quantities.
//!
//! A [`Quantity`] is the text in an object; an [`Amount`] is its exact value: a whole number of nanos, the finest unit
//! that Kubernetes knows (finer ones are rounded up, away from zero), with the notation to print it in.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use serde::{Deserialize, Deserializer, Serialize};

/// Nanos of one.
const ONE: i128 = 1_000_000_000;
/// Nanos of one thousandth.
const MILLI: i128 = 1_000_000;
/// Nanos of the largest amount: 2^63-1.
const MAX: i128 = (i64::MAX as i128) * ONE;

/// The text of an amount, as objects carry it. Unlike k8s-openapi's type it also reads plain JSON numbers, which
/// people write and API servers keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            serde_json::Value::Number(number) => Ok(Self(number.to_string())),
            serde_json::Value::Null => Ok(Self("0".to_owned())),
            _ => Err(serde::de::Error::custom("quantities must be strings or numbers")),
        }
    }
}

impl From<k8s_openapi::apimachinery::pkg::api::resource::Quantity> for Quantity {
    fn from(from: k8s_openapi::apimachinery::pkg::api::resource::Quantity) -> Self {
        Self(from.0)
    }
}

impl From<Quantity> for k8s_openapi::apimachinery::pkg::api::resource::Quantity {
    fn from(from: Quantity) -> Self {
        Self(from.0)
    }
}

impl From<Amount> for Quantity {
    fn from(from: Amount) -> Self {
        Self(from.to_string())
    }
}

impl From<&str> for Quantity {
    fn from(from: &str) -> Self {
        Self(from.to_owned())
    }
}

impl Quantity {
    /// The exact amount.
    ///
    /// # Errors
    /// Fails when the text isn't a quantity.
    pub fn amount(&self) -> Result<Amount, Error> {
        Amount::parse(&self.0)
    }

    /// The exact amount; what isn't a quantity counts as nothing.
    #[must_use]
    pub fn amount_or_zero(&self) -> Amount {
        self.amount().unwrap_or_default()
    }
}

/// Why a text isn't a quantity. The wording is that of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text doesn't have the form of a quantity.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The number can't be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// How an amount is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Notation {
    /// With powers of 1000: m, k, M, G.
    #[default]
    DecimalSi,
    /// With powers of 1024: Ki, Mi, Gi.
    BinarySi,
    /// With an exponent of ten: e3, e6.
    DecimalExponent,
}

/// An exact amount. Equality and order look at the value alone, not at the notation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    nanos: i128,
    notation: Notation,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, notation: Notation::DecimalSi };

    /// A whole number.
    #[must_use]
    pub const fn from_value(value: i64) -> Self {
        Self { nanos: value as i128 * ONE, notation: Notation::DecimalSi }
    }

    /// A number of thousandths.
    #[must_use]
    pub const fn from_milli(value: i64) -> Self {
        Self { nanos: value as i128 * MILLI, notation: Notation::DecimalSi }
    }

    /// A whole number in binary notation.
    #[must_use]
    pub const fn from_bytes(value: i64) -> Self {
        Self { nanos: value as i128 * ONE, notation: Notation::BinarySi }
    }

    /// The same amount in another notation.
    #[must_use]
    pub const fn with_notation(self, notation: Notation) -> Self {
        Self { nanos: self.nanos, notation }
    }

    /// The notation.
    #[must_use]
    pub const fn notation(self) -> Notation {
        self.notation
    }

    /// Reads a quantity.
    ///
    /// # Errors
    /// Fails when the text isn't a quantity.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let (negative, rest) = match text.as_bytes().first() {
            None => return Err(Error::Format),
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
        };
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') {
            return Err(Error::Format);
        }
        check_suffix_shape(suffix)?;
        if whole.is_empty() && fraction.is_empty() {
            return Err(Error::Numeric);
        }
        let (notation, scale) = parse_suffix(suffix)?;
        let nanos = exact_nanos(whole, fraction, scale);
        Ok(Self { nanos: if negative { -nanos } else { nanos }, notation })
    }

    /// The amount as a whole number, rounded up (away from zero).
    #[must_use]
    pub fn value(self) -> i64 {
        clamp(divide_up(self.nanos, ONE))
    }

    /// The amount in thousandths, rounded up (away from zero).
    #[must_use]
    pub fn milli_value(self) -> i64 {
        clamp(divide_up(self.nanos, MILLI))
    }

    /// The amount in nanos.
    #[must_use]
    pub const fn nanos(self) -> i128 {
        self.nanos
    }

    /// The amount as a floating-point number, for ratios only.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / ONE as f64
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// So many times the amount.
    #[must_use]
    pub fn times(self, factor: i64) -> Self {
        Self { nanos: self.nanos.saturating_mul(i128::from(factor)), notation: self.notation }
    }
}

/// What may follow the number at all: letters of suffixes, then a sign and digits.
fn check_suffix_shape(suffix: &str) -> Result<(), Error> {
    let rest = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    if rest.chars().all(|c| c.is_ascii_digit()) { Ok(()) } else { Err(Error::Format) }
}

/// What a suffix multiplies by.
enum Scale {
    Ten(i32),
    Two(u32),
}

fn parse_suffix(suffix: &str) -> Result<(Notation, Scale), Error> {
    let si = |power| Ok((Notation::DecimalSi, Scale::Ten(power)));
    let binary = |power| Ok((Notation::BinarySi, Scale::Two(power)));
    match suffix {
        "n" => si(-9),
        "u" => si(-6),
        "m" => si(-3),
        "" => si(0),
        "k" => si(3),
        "M" => si(6),
        "G" => si(9),
        "T" => si(12),
        "P" => si(15),
        "E" => si(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E']).ok_or(Error::Suffix)?;
            let power: i32 = digits.parse().map_err(|_| Error::Suffix)?;
            Ok((Notation::DecimalExponent, Scale::Ten(power)))
        }
    }
}

/// The nanos of a non-negative decimal number times a scale; digits finer than a nano round up, and the largest amount
/// is 2^63-1.
fn exact_nanos(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let digits = whole.bytes().chain(fraction.bytes()).skip_while(|d| *d == b'0');
    // One more digit than the largest amount has in nanos would overflow: such a number is either capped or has so
    // many fractional digits that the tail only matters for rounding up.
    let mut mantissa: i128 = 0;
    let mut dropped: i32 = 0;
    let mut remainder = false;
    for digit in digits {
        if mantissa >= 10_i128.pow(30) {
            dropped += 1;
            remainder |= digit != b'0';
        } else {
            mantissa = mantissa * 10 + i128::from(digit - b'0');
        }
    }
    if mantissa == 0 {
        return 0;
    }
    let shift = dropped.saturating_sub(i32::try_from(fraction.len()).unwrap_or(i32::MAX)).saturating_add(9);
    let (mantissa, shift) = match scale {
        Scale::Ten(power) => (mantissa, shift.saturating_add(power)),
        Scale::Two(power) => {
            // Without long tails the product fits; with them, give up digits that lie below a nano anyway.
            let mut value = mantissa;
            let mut shift = shift;
            while value.checked_mul(1_i128 << power).is_none() {
                remainder |= value % 10 != 0;
                value /= 10;
                shift = shift.saturating_add(1);
            }
            (value << power, shift)
        }
    };
    let nanos = if shift >= 0 {
        10_i128.checked_pow(shift.unsigned_abs()).and_then(|p| mantissa.checked_mul(p)).unwrap_or(MAX)
    } else {
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => mantissa / divisor + i128::from(mantissa % divisor != 0 || remainder),
            None => 1,
        }
    };
    nanos.min(MAX)
}

/// Division that rounds away from zero.
fn divide_up(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by == 0 { quotient } else { quotient + value.signum() }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The sum keeps the notation of the first operand, unless that is nothing.
impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let notation = if self.is_zero() { other.notation } else { self.notation };
        Self { nanos: self.nanos.saturating_add(other.nanos), notation }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The difference keeps the notation of the first operand, unless that is nothing.
impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nanos: -self.nanos, notation: self.notation }
    }
}

impl std::str::FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// The canonical form: the largest suffix that needs no fraction. Binary notation is left for decimal below 1024 and
/// for fractions.
impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let whole = self.nanos % ONE == 0;
        if self.notation == Notation::BinarySi && whole && self.nanos.abs() >= 1024 * ONE {
            let mut value = self.nanos / ONE;
            let mut suffix = 0;
            while value % 1024 == 0 && suffix < 6 {
                value /= 1024;
                suffix += 1;
            }
            return write!(f, "{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][suffix]);
        }
        let mut value = self.nanos;
        let mut power = -9;
        while value % 1000 == 0 && power < 18 {
            value /= 1000;
            power += 3;
        }
        if self.notation == Notation::DecimalExponent {
            return if power == 0 { write!(f, "{value}") } else { write!(f, "{value}e{power}") };
        }
        let suffix = match power {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            0 => "",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            _ => "E",
        };
        write!(f, "{value}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (input, expect) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1024", "1024"),
            ("1000", "1k"),
            ("512Ki", "512Ki"),
            ("0.5Ki", "512"),
            ("0.1Ki", "102400m"),
            ("100k", "100k"),
            ("1e3", "1e3"),
            ("1E6", "1e6"),
            ("12e5", "1200e3"),
            ("-1.5", "-1500m"),
            ("+3", "3"),
            (".5", "500m"),
            ("5.", "5"),
            ("0.1n", "1n"),
            ("1.0000000001", "1000000001n"),
            ("9223372036854775807", "9223372036854775807"),
            ("1Ei", "1Ei"),
            ("100Ei", "9223372036854775807"),
            ("2500M", "2500M"),
            ("1200000M", "1200G"),
        ] {
            assert_eq!(Amount::parse(input).unwrap().to_string(), expect, "{input}");
        }
    }

    #[test]
    fn refused() {
        assert_eq!(Amount::parse(""), Err(Error::Format));
        assert_eq!(Amount::parse("1 Gi"), Err(Error::Format));
        assert_eq!(Amount::parse("1.2.3"), Err(Error::Format));
        assert_eq!(Amount::parse("abc"), Err(Error::Format));
        assert_eq!(Amount::parse("."), Err(Error::Numeric));
        assert_eq!(Amount::parse("1KiB"), Err(Error::Format));
        assert_eq!(Amount::parse("1kk"), Err(Error::Suffix));
        assert_eq!(Amount::parse("1K"), Err(Error::Suffix));
    }

    #[test]
    fn rounding_and_arithmetic() {
        let cpu = Amount::parse("1500m").unwrap();
        assert_eq!((cpu.value(), cpu.milli_value()), (2, 1500));
        assert_eq!(Amount::parse("-1500m").unwrap().value(), -2);
        assert_eq!(Amount::parse("100u").unwrap().milli_value(), 1);
        let memory = Amount::parse("1Gi").unwrap();
        assert_eq!((memory + memory).to_string(), "2Gi");
        assert_eq!((Amount::ZERO + memory).to_string(), "1Gi");
        assert_eq!((memory - memory).to_string(), "0");
        assert_eq!(memory.times(3).to_string(), "3Gi");
        assert!(Amount::parse("1G").unwrap() < memory);
        assert_eq!(Amount::parse("1e3").unwrap(), Amount::parse("1k").unwrap());
    }

    #[test]
    fn long_tails_never_overflow() {
        let tail = "9".repeat(400);
        for suffix in ["", "m", "n", "k", "E", "Ki", "Ei", "e30", "e-30", "e2000000000", "e-2000000000"] {
            let _ = Amount::parse(&format!("0.{tail}{suffix}")).unwrap();
            let _ = Amount::parse(&format!("{tail}{suffix}")).unwrap();
            let _ = Amount::parse(&format!("-{tail}.{tail}{suffix}")).unwrap();
        }
        assert_eq!(Amount::parse(&format!("0.{tail}Ki")).unwrap().value(), 1024);
    }

    #[test]
    fn json_numbers_are_quantities() {
        let read = |text: &str| serde_json::from_str::<Quantity>(text).unwrap().0;
        assert_eq!((read("2"), read("\"2Gi\""), read("0.5")), ("2".into(), "2Gi".into(), "0.5".into()));
    }
}
