//! Points in time on the wire.
//!
//! They are text at this layer: `2026-11-22T12:58:13.505414+00:00`, in UTC, with six digits behind the second; unset
//! ones are null.

/// The format, in the letters of `strftime` as `jiff` reads them; the time must be in UTC.
pub const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6f+00:00";

/// What [`FORMAT`] looks like: `0` stands for any digit.
const SHAPE: &str = "0000-00-00T00:00:00.000000+00:00";

/// Whether text has the form that [`FORMAT`] writes.
///
/// A digit is any digit: the thirty-ninth of February passes.
pub fn is_timestamp(text: &str) -> bool {
    text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE.bytes()).enumerate().all(|(at, (byte, shape))| {
            let zone = at + "+00:00".len() >= SHAPE.len();
            if shape == b'0' && !zone { byte.is_ascii_digit() } else { byte == shape }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_recognized() {
        assert!(is_timestamp("2026-11-22T12:58:13.505414+00:00"));
    }

    #[test]
    fn other_forms_are_not() {
        for text in [
            "",
            "2026-11-22T12:58:13Z",
            "2026-11-22T12:58:13+00:00",
            "2026-11-22T12:58:13.505414+01:00",
            "2026-11-22 12:58:13.505414+00:00",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
