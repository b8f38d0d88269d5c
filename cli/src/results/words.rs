//! Results, times and shares as text for people.

use anstyle::{AnsiColor, Style};
use easytier_probe::{CheckReport, CheckResult, FailureCode, PeerUrl, Stage, Status};

use crate::text::printable;

/// The status in its colour, padded to the same width.
pub fn colored_status(status: Status) -> String {
    let color = match status {
        Status::Online => AnsiColor::Green,
        Status::Offline => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{:<7}{style:#}", status.as_str())
}

/// The peer's URL, after its name if it has one.
pub fn peer(name: Option<&str>, url: &PeerUrl) -> String {
    match name {
        Some(name) => printable(&format!("{name} ({url})")),
        None => url.to_string(),
    }
}

/// A time in milliseconds with three significant digits, or all digits before the point.
pub fn millis(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        ..100.0 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}

/// A share, from 0 to 1, in percent.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Why the check failed, and whether the node's certificate has expired; `None` if neither.
pub fn problem(result: &CheckResult) -> Option<String> {
    let failure = result.error.map(|code| failure(result.stage, code, result.message.as_deref()));
    let problems: Vec<String> = [failure, expired_certificate(result)].into_iter().flatten().collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// Whether the node relays data, with the round trip or the reason; `None` if that is not known.
pub fn relay(report: &CheckReport) -> Option<String> {
    let verdict = report.result.relay?.name();
    let reason = report.result.relay_error.as_deref().map(|reason| format!("{verdict}: {}", printable(reason)));
    let round_trip = report.result.relay_ms.map(|ms| format!("{verdict} {}", millis(ms)));
    reason.or(round_trip).or_else(|| Some(verdict.to_owned()))
}

/// EasyTier's clients accept an expired certificate; a web server in front of the node may not.
fn expired_certificate(result: &CheckResult) -> Option<String> {
    let expiry = result.certificate_expires_at.filter(|expiry| *expiry < result.checked_at)?;
    Some(format!("the certificate expired on {}", expiry.format("%Y-%m-%d")))
}

/// A failure: the stage, the message and the code.
pub fn failure(stage: Stage, code: FailureCode, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{stage}: {} [{code}]", printable(message)),
        None => format!("{stage}: {code}"),
    }
}

/// The latency, the share of lost pings if there are any, and why the check failed.
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
    fn times_have_three_significant_digits() {
        assert_eq!(millis(0.1234), "0.12 ms");
        assert_eq!(millis(12.345), "12.3 ms");
        assert_eq!(millis(1234.5), "1234 ms");
    }
}
