//! Durations as people write them: a whole number, with or without a unit.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It is not a whole number with an optional unit.
    #[error("write a whole number of seconds, or a whole number with a unit: 500ms, 30s, 5m, 24h")]
    Malformed,
    /// Its milliseconds do not fit into 64 bits.
    #[error("too long to count in milliseconds")]
    TooLong,
    /// It is zero, where that is not allowed.
    #[error("must be longer than zero")]
    Zero,
}

/// Parses a whole number with the unit `ms`, `s`, `m` or `h`; without a unit it is a number of seconds.
///
/// # Errors
///
/// [`DurationError::Malformed`] or [`DurationError::TooLong`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis_per_unit = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DurationError::Malformed),
    };
    if number.is_empty() {
        return Err(DurationError::Malformed);
    }
    // The number has digits only, so it can only be too large.
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    number.checked_mul(millis_per_unit).map(Duration::from_millis).ok_or(DurationError::TooLong)
}

/// Like [`parse`], for durations that cannot be zero, such as a timeout.
///
/// # Errors
///
/// As [`parse`]; also [`DurationError::Zero`].
pub fn parse_positive(text: &str) -> Result<Duration, DurationError> {
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        duration => Ok(duration),
    }
}

/// Formats a duration for [`parse`], in the largest unit that gives a whole number. Fractions of a millisecond are cut off.
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(millis_per_unit, _)| millis.is_multiple_of(*millis_per_unit));
    let (millis_per_unit, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", millis / millis_per_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatted_duration_parses_to_the_same() {
        for text in ["500ms", "1500ms", "90s", "5m", "24h", "168h"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(format(Duration::from_secs(7200)), "2h");
    }

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("90"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn units_are_milliseconds_seconds_minutes_hours() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse("24h"), Ok(Duration::from_secs(86_400)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "ms", "1.5s", "-1", "+1", " 1", "1 s", "1S", "1d", "5m30s", "٣"] {
            assert_eq!(parse(text), Err(DurationError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_too_long() {
        assert_eq!(parse("18446744073709551615ms"), Ok(Duration::from_millis(u64::MAX)));
        for text in ["18446744073709551616ms", "18446744073709551615", "5124095576031h"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn parse_positive_refuses_zero() {
        assert_eq!(parse_positive("0ms"), Err(DurationError::Zero));
        assert_eq!(parse_positive("1ms"), Ok(Duration::from_millis(1)));
    }
}
