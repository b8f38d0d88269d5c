//! Durations as people write them: whole seconds, or a whole number with a unit.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("write a whole number of seconds, or a whole number with a unit: 500ms, 30s, 5m, 24h")]
    Malformed,
    #[error("too long to count in milliseconds")]
    TooLong,
    #[error("must be longer than zero")]
    Zero,
}

/// Parses `30`, `500ms`, `30s`, `5m`, `24h`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis_each = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DurationError::Malformed),
    };
    if number.is_empty() {
        return Err(DurationError::Malformed);
    }
    // Only digits are left, so a number that does not parse is too large.
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    number.checked_mul(millis_each).map(Duration::from_millis).ok_or(DurationError::TooLong)
}

/// [`parse`] for what cannot be zero, such as a deadline.
pub fn parse_positive(text: &str) -> Result<Duration, DurationError> {
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        duration => Ok(duration),
    }
}

/// A duration as [`parse`] reads it, in the largest unit that leaves nothing over; it is cut to milliseconds.
pub fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(each, _)| millis.is_multiple_of(*each));
    let (each, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", millis / each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in ["500ms", "1500ms", "90s", "5m", "24h", "168h"] {
            assert_eq!(written(parse(text).unwrap()), text);
        }
        assert_eq!(written(Duration::from_secs(7200)), "2h");
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
    fn what_does_not_fit_is_too_long() {
        assert_eq!(parse("18446744073709551615ms"), Ok(Duration::from_millis(u64::MAX)));
        for text in ["18446744073709551616ms", "18446744073709551615", "5124095576031h"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn zero_is_refused_where_it_makes_no_sense() {
        assert_eq!(parse_positive("0ms"), Err(DurationError::Zero));
        assert_eq!(parse_positive("1ms"), Ok(Duration::from_millis(1)));
    }
}
