//! Figures and verdicts in words.

use anstyle::{AnsiColor, Style};
use easytier_probe::{CheckReport, CheckResult, FailureCode, PeerUrl, Stage, Status};

use crate::text::printable;

/// The status in its colour, padded to the longest of them.
pub fn colored_status(of: Status) -> String {
    let color = match of {
        Status::Online => AnsiColor::Green,
        Status::Offline => AnsiColor::Red,
        Status::Unknown => AnsiColor::Yellow,
    };
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{:<7}{style:#}", of.as_str())
}

/// What a person knows the peer by: its name where it has one, and its URL.
pub fn peer(name: Option<&str>, url: &PeerUrl) -> String {
    match name {
        Some(name) => printable(&format!("{name} ({url})")),
        None => url.to_string(),
    }
}

/// A time in milliseconds, with as many digits as tell something.
pub fn millis(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        ..100.0 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}

/// A share of one, in percent.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// What went wrong, at which stage, for people and with the code to look up; `None` when nothing did.
pub fn problem(result: &CheckResult) -> Option<String> {
    Some(failure(result.stage, result.error?, result.message.as_deref()))
}

/// A failure, at its stage, for people and with the code to look up.
pub fn failure(stage: Stage, code: FailureCode, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{stage}: {} [{code}]", printable(message)),
        None => format!("{stage}: {code}"),
    }
}

/// The latency, and the loss where there was one, or what went wrong.
pub fn outcome(report: &CheckReport) -> String {
    let latency = report.latency.map(|latency| match latency.loss {
        0.0 => millis(latency.median_ms),
        loss => format!("{} loss {}", millis(latency.median_ms), percent(loss)),
    });
    [latency, problem(&report.result)].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        assert_eq!(millis(0.1234), "0.12 ms");
        assert_eq!(millis(12.345), "12.3 ms");
        assert_eq!(millis(1234.5), "1234 ms");
    }
}
