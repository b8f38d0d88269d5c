//! Figures and times as people read them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::language::Language;
use crate::time::Timestamp;

/// A round trip, in microseconds, as milliseconds with as many digits as tell something.
pub fn latency(micros: i64) -> String {
    let ms = micros as f64 / 1000.0;
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}

/// A percentage. Nothing that is not whole is rounded to it: 99.99 is not 100.
pub fn percent(value: f64) -> String {
    match value {
        100.0.. => "100%".to_owned(),
        99.0.. => format!("{:.2}%", (value * 100.0).floor() / 100.0),
        _ => format!("{value:.1}%"),
    }
}

/// A point in time as how long ago it was, with the exact time behind it.
pub fn ago(language: Language, at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exact(at)) { (ago_text(language, now.since(at))) } }
}

fn ago_text(language: Language, elapsed: Duration) -> String {
    let ago = span(language, elapsed);
    match language {
        Language::English => format!("{ago} ago"),
        Language::Chinese => format!("{ago}前"),
    }
}

/// A length of time in its largest unit.
pub fn span(language: Language, length: Duration) -> String {
    let seconds = length.as_secs();
    let (count, english, chinese) = match seconds {
        0..60 => (seconds, "s", "秒"),
        60..3600 => (seconds / 60, "min", "分钟"),
        3600..172_800 => (seconds / 3600, "h", "小时"),
        _ => (seconds / 86_400, "days", "天"),
    };
    format!("{count} {}", language.pick(english, chinese))
}

/// A point in time, to the second.
pub fn exact(at: Timestamp) -> String {
    format!("{} UTC", DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M:%S"))
}

/// To the minute.
pub fn minute(at: Timestamp) -> String {
    DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_never_rounded_up_to_all() {
        assert_eq!([100.0, 99.999, 99.5, 98.76, 0.0].map(percent), ["100%", "99.99%", "99.50%", "98.8%", "0.0%"]);
    }

    #[test]
    fn latencies_have_the_digits_that_tell_something() {
        assert_eq!([412, 9_949, 12_345, 1_234_567].map(latency), ["0.4 ms", "9.9 ms", "12 ms", "1235 ms"]);
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let ago = |seconds| ago_text(Language::English, Duration::from_secs(seconds));
        assert_eq!([5, 61, 7200, 200_000].map(ago), ["5 s ago", "1 min ago", "2 h ago", "2 days ago"]);
        assert_eq!(ago_text(Language::Chinese, Duration::from_secs(5)), "5 秒前");
    }
}
