//! The formats of figures, the same in every language.

use chrono::{DateTime, Utc};
use easytier_uptime_store::domain::Timestamp;

/// The text for a figure that was not measured.
pub const NOTHING: &str = "–";

/// A latency in microseconds, as milliseconds with as many digits as are meaningful.
pub fn latency(micros: i64) -> String {
    let ms = micros as f64 / 1000.0;
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}

/// A latency in milliseconds, in the same form.
pub fn millis(ms: f64) -> String {
    latency((ms * 1000.0).round() as i64)
}

/// The latency, or [`NOTHING`].
pub fn latency_or_nothing(micros: Option<i64>) -> String {
    micros.map_or_else(|| NOTHING.to_owned(), latency)
}

/// A percentage, which never rounds up to 100%.
pub fn percent(value: f64) -> String {
    match value {
        100.0.. => "100%".to_owned(),
        99.0.. => format!("{:.2}%", (value * 100.0).floor() / 100.0),
        _ => format!("{value:.1}%"),
    }
}

/// The percentage, or [`NOTHING`].
pub fn percent_or_nothing(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), percent)
}

/// A point in time, to the second.
pub fn exact(at: Timestamp) -> String {
    format!("{} UTC", DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M:%S"))
}

/// A point in time, to the minute.
pub fn minute(at: Timestamp) -> String {
    DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_never_rounds_up_to_100() {
        assert_eq!([100.0, 99.999, 99.5, 98.76, 0.0].map(percent), ["100%", "99.99%", "99.50%", "98.8%", "0.0%"]);
    }

    #[test]
    fn latencies_have_the_digits_that_are_meaningful() {
        assert_eq!([412, 9_949, 12_345, 1_234_567].map(latency), ["0.4 ms", "9.9 ms", "12 ms", "1235 ms"]);
    }
}
