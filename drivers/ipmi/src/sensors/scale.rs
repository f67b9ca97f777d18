//! From the raw reading of a sensor to its value.
//!
//! Source: IPMI 2.0, sections 36.3 and 43.1.

use crate::packet::reader::Reader;

/// How a raw reading is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    Unsigned,
    OnesComplement,
    TwosComplement,
}

/// How a raw reading becomes a value: `L((M x raw + B x 10^Bexp) x 10^Rexp)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    format: Format,
    /// What is applied last; 70h and more mean that the sensor must be asked.
    linearization: u8,
    m: i16,
    b: i16,
    result_exponent: i8,
    base_exponent: i8,
    /// Half the uncertainty of a raw reading, in halves.
    tolerance: u8,
}

impl Scale {
    /// Reads the scale of a record: the first byte of its units, its linearization, and six bytes of factors.
    /// `None` for sensors without a number.
    #[must_use]
    pub fn parse(units: u8, linearization: u8, factors: [u8; 6]) -> Option<Self> {
        let format = match units >> 6 {
            0 => Format::Unsigned,
            1 => Format::OnesComplement,
            2 => Format::TwosComplement,
            _ => return None,
        };
        let unlinear = Self {
            format,
            linearization: linearization & 0x7F,
            m: 1,
            b: 0,
            result_exponent: 0,
            base_exponent: 0,
            tolerance: 0,
        };
        Some(unlinear.with_factors(factors))
    }

    /// The same with other factors.
    #[must_use]
    pub fn with_factors(self, factors: [u8; 6]) -> Self {
        let [m_low, m_high, b_low, b_high, _accuracy, exponents] = factors;
        Self {
            m: ten_bits(m_low, m_high >> 6),
            b: ten_bits(b_low, b_high >> 6),
            result_exponent: four_bits(exponents >> 4),
            base_exponent: four_bits(exponents),
            tolerance: m_high & 0x3F,
            ..self
        }
    }

    /// Whether the sensor has to be asked for the factors of each reading.
    #[must_use]
    pub const fn is_uneven(&self) -> bool {
        0x70 <= self.linearization
    }

    /// The value of a raw reading; `None` when it has none, such as the logarithm of nothing.
    #[must_use]
    pub fn value(&self, raw: u8) -> Option<f64> {
        let signed = match self.format {
            Format::Unsigned => i16::from(raw),
            Format::OnesComplement if 0x80 <= raw => -(255 - i16::from(raw)),
            Format::OnesComplement => i16::from(raw),
            Format::TwosComplement => i16::from(i8::from_le_bytes([raw])),
        };
        let shifted = f64::from(self.b) * ten_to(self.base_exponent);
        let linear = (f64::from(self.m) * f64::from(signed) + shifted) * ten_to(self.result_exponent);
        Some(bend(self.linearization, linear)).filter(|value| value.is_finite())
    }

    /// How far the value may be off, as far as the record says.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        (f64::from(self.m) * f64::from(self.tolerance) / 2.0 * ten_to(self.result_exponent)).abs()
    }
}

fn bend(linearization: u8, value: f64) -> f64 {
    match linearization {
        1 => value.ln(),
        2 => value.log10(),
        3 => value.log2(),
        4 => value.exp(),
        5 => 10f64.powf(value),
        6 => value.exp2(),
        7 => value.recip(),
        8 => value.powi(2),
        9 => value.powi(3),
        10 => value.sqrt(),
        11 => value.cbrt(),
        _ => value,
    }
}

fn ten_to(exponent: i8) -> f64 {
    10f64.powi(i32::from(exponent))
}

/// A signed number of ten bits.
fn ten_bits(low: u8, high: u8) -> i16 {
    let bits = i16::from(low) | i16::from(high & 0x03) << 8;
    if bits < 0x200 { bits } else { bits - 0x400 }
}

/// A signed number of four bits, the low ones.
fn four_bits(byte: u8) -> i8 {
    let bits = i8::from_le_bytes([byte & 0x0F]);
    if bits < 8 { bits } else { bits - 16 }
}

/// Takes the factors of a record off a reader that stands before them.
pub(super) fn take_factors(reader: &mut Reader<'_>) -> Option<[u8; 6]> {
    reader.array()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scale(format: u8, linearization: u8, m: i16, b: i16, exponents: (i8, i8)) -> Scale {
        let [m_low, m_high] = m.to_le_bytes();
        let [b_low, b_high] = b.to_le_bytes();
        let nibbles = (exponents.0.to_le_bytes()[0] & 0x0F) << 4 | exponents.1.to_le_bytes()[0] & 0x0F;
        Scale::parse(format << 6, linearization, [m_low, m_high << 6, b_low, b_high << 6, 0, nibbles])
            .unwrap()
    }

    fn value(scale: Scale, raw: u8) -> f64 {
        (scale.value(raw).unwrap() * 1000.0).round() / 1000.0
    }

    #[test]
    fn numbers_of_all_kinds_are_read() {
        assert_eq!(value(scale(0, 0, 1, 0, (0, 0)), 42), 42.0);
        assert_eq!(value(scale(0, 0, 50, 0, (0, 0)), 96), 4800.0);
        assert_eq!(value(scale(0, 0, 6, 0, (-2, 0)), 201), 12.06);
        assert_eq!(value(scale(2, 0, 1, 0, (0, 0)), 0xFB), -5.0);
        assert_eq!(value(scale(1, 0, 1, 0, (0, 0)), 0xFA), -5.0);
        assert_eq!(value(scale(0, 0, -1, 100, (0, 0)), 30), 70.0);
        assert_eq!(value(scale(0, 0, 2, 5, (-1, 1)), 10), 7.0);
        assert_eq!(value(scale(0, 0, -512, 511, (7, 0)), 1), -10_000_000.0);
    }

    #[test]
    fn every_linearization_is_applied_last() {
        for (linearization, raw, expected) in [
            (1, 100, 4.605),
            (2, 100, 2.0),
            (3, 64, 6.0),
            (4, 2, 7.389),
            (5, 2, 100.0),
            (6, 5, 32.0),
            (7, 4, 0.25),
            (8, 12, 144.0),
            (9, 3, 27.0),
            (10, 49, 7.0),
            (11, 27, 3.0),
        ] {
            assert_eq!(value(scale(0, linearization, 1, 0, (0, 0)), raw), expected, "{linearization}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_value() {
        assert_eq!(scale(0, 1, 1, 0, (0, 0)).value(0), None);
        assert_eq!(scale(0, 7, 1, 0, (0, 0)).value(0), None);
        assert_eq!(scale(2, 10, 1, 0, (0, 0)).value(0x80), None);
        assert_eq!(Scale::parse(0xC0, 0, [1, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn the_tolerance_is_in_halves_of_a_step() {
        let coarse = Scale::parse(0, 0, [6, 3, 0, 0, 0, 0xE0]).unwrap();

        assert!((coarse.tolerance() - 0.09).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn every_value_is_finite(units: u8, linearization: u8, factors: [u8; 6], raw: u8) {
            if let Some(value) = Scale::parse(units, linearization, factors).and_then(|scale| scale.value(raw)) {
                prop_assert!(value.is_finite());
            }
        }
    }
}
