//! Kubernetes quantities as exact integers.
//!
//! Scheduling divides what a cluster has by what a replica asks for, so a quantity is parsed once, at the edge, into
//! nano-units in an `i128`; the two roundings that Kubernetes uses (whole units and milli-units, both away from zero)
//! are derived from it. The notation is kept because component sets are compared in a unit that depends on it.

use serde::{Deserialize, Deserializer, de};

/// How a quantity was written; decides the unit in which component sets are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Notation {
    /// Powers of 1000: `100m`, `2`, `1G`.
    #[default]
    Decimal,
    /// Powers of 1024: `4Gi`.
    Binary,
    /// Scientific: `1e3`.
    Exponent,
}

/// An exact quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

const NANO: i128 = 1_000_000_000;

/// A string that is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid quantity {0:?}")]
pub struct QuantityError(pub String);

impl Quantity {
    /// A quantity of whole units in decimal notation.
    #[must_use]
    pub const fn units(units: i64) -> Self {
        Self { nanos: units as i128 * NANO, notation: Notation::Decimal }
    }

    /// Parses Kubernetes' serialisation: a decimal number with an optional suffix or exponent.
    ///
    /// # Errors
    /// When the text is not a quantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let bad = || QuantityError(text.chars().take(64).collect());
        let bytes = text.as_bytes();
        let (negative, start) = match bytes.first() {
            Some(b'-') => (true, 1),
            Some(b'+') => (false, 1),
            Some(_) => (false, 0),
            None => return Err(bad()),
        };
        let mut end = start;
        let mut dot = None;
        while end < bytes.len() {
            match bytes[end] {
                b'0'..=b'9' => {}
                b'.' if dot.is_none() => dot = Some(end),
                _ => break,
            }
            end += 1;
        }
        let digits = end - start - usize::from(dot.is_some());
        if digits == 0 {
            return Err(bad());
        }
        // The mantissa is limited to what an i128 holds; anything longer saturates below.
        let mut mantissa: i128 = 0;
        let mut scale: i32 = 0;
        for (at, byte) in bytes.iter().enumerate().take(end).skip(start) {
            if *byte == b'.' {
                continue;
            }
            if mantissa > i128::MAX / 100 {
                if dot.is_none_or(|d| at < d) {
                    scale += 1;
                }
                continue;
            }
            mantissa = mantissa * 10 + i128::from(byte - b'0');
            if dot.is_some_and(|d| at > d) {
                scale -= 1;
            }
        }
        let (multiplier, exponent, notation) = suffix(&text[end..]).ok_or_else(bad)?;
        let mut nanos = mantissa.saturating_mul(multiplier);
        let mut power = scale.saturating_add(exponent).saturating_add(9);
        while power > 0 && nanos < i128::MAX / 16 && nanos != 0 {
            nanos = nanos.saturating_mul(10);
            power -= 1;
        }
        let mut inexact = false;
        while power < 0 && nanos != 0 {
            inexact |= nanos % 10 != 0;
            nanos /= 10;
            power += 1;
        }
        // Kubernetes rounds finer values up to the next nano-unit.
        nanos = nanos.saturating_add(i128::from(inexact));
        Ok(Self { nanos: if negative { -nanos } else { nanos }, notation })
    }

    /// Whole units, rounded away from zero.
    #[must_use]
    pub fn value(self) -> i64 {
        round(self.nanos, NANO)
    }

    /// Milli-units, rounded away from zero.
    #[must_use]
    pub fn milli(self) -> i64 {
        round(self.nanos, NANO / 1000)
    }

    /// Whether the quantity is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// How the quantity was written.
    #[must_use]
    pub const fn notation(self) -> Notation {
        self.notation
    }

    /// The quantity in the unit that component sets are compared in: milli-units for decimal notation, else units.
    #[must_use]
    pub fn comparable(self) -> i64 {
        match self.notation {
            Notation::Decimal => self.milli(),
            Notation::Binary | Notation::Exponent => self.value(),
        }
    }

    /// The sum; a zero operand yields the other one's notation, as in Kubernetes.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let notation = if self.is_zero() { other.notation } else { self.notation };
        Self { nanos: self.nanos.saturating_add(other.nanos), notation }
    }

    /// The difference; a zero minuend takes the subtrahend's notation, as in Kubernetes.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let notation = if self.is_zero() { other.notation } else { self.notation };
        Self { nanos: self.nanos.saturating_sub(other.nanos), notation }
    }

    /// The product with a whole number.
    #[must_use]
    pub fn times(self, factor: i64) -> Self {
        Self { nanos: self.nanos.saturating_mul(i128::from(factor)), notation: self.notation }
    }
}

/// The multiplier, power of ten and notation of a suffix.
fn suffix(text: &str) -> Option<(i128, i32, Notation)> {
    Some(match text {
        "" => (1, 0, Notation::Decimal),
        "n" => (1, -9, Notation::Decimal),
        "u" => (1, -6, Notation::Decimal),
        "m" => (1, -3, Notation::Decimal),
        "k" => (1, 3, Notation::Decimal),
        "M" => (1, 6, Notation::Decimal),
        "G" => (1, 9, Notation::Decimal),
        "T" => (1, 12, Notation::Decimal),
        "P" => (1, 15, Notation::Decimal),
        "E" => (1, 18, Notation::Decimal),
        "Ki" => (1 << 10, 0, Notation::Binary),
        "Mi" => (1 << 20, 0, Notation::Binary),
        "Gi" => (1 << 30, 0, Notation::Binary),
        "Ti" => (1 << 40, 0, Notation::Binary),
        "Pi" => (1 << 50, 0, Notation::Binary),
        "Ei" => (1 << 60, 0, Notation::Binary),
        _ => {
            let rest = text.strip_prefix(['e', 'E'])?;
            let number = rest.strip_prefix('+').unwrap_or(rest);
            let exponent: i32 = number.parse().ok()?;
            (1, exponent.clamp(-60, 60), Notation::Exponent)
        }
    })
}

fn round(nanos: i128, unit: i128) -> i64 {
    let whole = nanos / unit;
    let rounded = if nanos % unit == 0 { whole } else { whole + nanos.signum() };
    i64::try_from(rounded).unwrap_or(if nanos > 0 { i64::MAX } else { i64::MIN })
}

/// What is no quantity reads as zero: a cluster that reports nonsense has no room, which is better than not seeing the
/// cluster at all.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a quantity")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity::parse(text).unwrap_or_default())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Quantity, E> {
                Ok(Quantity::default())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity::units(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity::units(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity::parse(&number.to_string()).unwrap_or_default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn parses_and_rounds() {
        assert_eq!(q("100m").milli(), 100);
        assert_eq!(q("100m").value(), 1);
        assert_eq!(q("1500m").value(), 2);
        assert_eq!(q("1k").value(), 1000);
        assert_eq!(q("4Gi").value(), 4 << 30);
        assert_eq!(q("1.5Gi").value(), 3 << 29);
        assert_eq!(q("1e3").value(), 1000);
        assert_eq!(q("-500m").value(), -1);
        assert_eq!(q("9223372036854775807").value(), i64::MAX);
        assert_eq!(q("9223372036854775807").milli(), i64::MAX);
        assert_eq!(q("0.0000000001").milli(), 1);
        assert_eq!(q("12E").value(), 12_000_000_000_000_000_000_i128.min(i128::from(i64::MAX)) as i64);
        for bad in ["", "-", "abc", "1x", "1.2.3", "1e", "Gi"] {
            assert!(Quantity::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn notation_follows_the_first_operand_unless_zero() {
        assert_eq!(q("400Gi").minus(q("0")).notation(), Notation::Binary);
        assert_eq!(Quantity::default().plus(q("1Gi")).notation(), Notation::Binary);
        assert_eq!(q("1G").plus(q("1Gi")).notation(), Notation::Decimal);
        assert_eq!(q("100M").comparable(), 100_000_000_000);
        assert_eq!(q("1Ki").comparable(), 1024);
    }
}
