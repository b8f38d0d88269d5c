//! Validation of results, and correction of their times: everything that needs no database.

use std::{borrow::Cow, time::Duration};

use easytier_probe::{CheckResult, Status, result::MAX_MESSAGE_CHARS};

use crate::domain::{Batch, Rejection, Timestamp, Via};

/// The maximum time by which a corrected time may be ahead of the hub's clock.
const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);

/// The maximum number of checks that one result may stand for: one day with two checks per second.
const MAX_CHECKS: u32 = 2 * 24 * 3600;

/// The maximum latency in milliseconds: one hour.
const MAX_LATENCY_MS: f64 = 3_600_000.0;

/// The maximum product of the median and the healthy checks of one result, in microseconds: two days. The checks of a peer run
/// one after another, a result stands for a day of them at most, and half of them take at least the median.
const MAX_TOTAL_US: i64 = 2 * 24 * 3600 * 1_000_000;

/// The maximum length of a version, in characters.
const MAX_VERSION: usize = 64;
/// The maximum length of a host name, in characters.
const MAX_HOSTNAME: usize = 255;

/// A valid result. Its time is by the hub's clock, and its texts have lengths that can be stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged<'a> {
    /// When the peer was checked, by the hub's clock.
    pub at: Timestamp,
    pub healthy: u32,
    /// The median round trip in microseconds.
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    pub message: Option<Cow<'a, str>>,
    pub version: Option<Cow<'a, str>>,
    pub hostname: Option<Cow<'a, str>>,
    pub relay_error: Option<Cow<'a, str>>,
    /// The time of data from one guest to another and back, in microseconds.
    pub relay_us: Option<i64>,
    /// The result as it was sent.
    pub result: &'a CheckResult,
}

/// Validates a result of `batch`. `keep` is the retention of raw results.
pub(super) fn judge<'a>(batch: &Batch, result: &'a CheckResult, keep: Duration) -> Result<Judged<'a>, Rejection> {
    let now = batch.received_at;
    let at = batch.hub_time(result.checked_at.into());
    // An instance whose clock was ahead has stored times that are: it acknowledged them, so they are not lost.
    if at > now + MAX_AHEAD && batch.via == Via::Probe {
        return Err(Rejection::InFuture);
    }
    if at < now - keep {
        return Err(Rejection::TooOld);
    }
    let by_status = if result.status == Status::Online { result.checks } else { 0 };
    let healthy = result.healthy.unwrap_or(by_status);
    if !(1..=MAX_CHECKS).contains(&result.checks) || healthy > result.checks {
        return Err(Rejection::Invalid);
    }
    let response_us = micros(result.response_time)?;
    if response_us.is_some_and(|median| median.saturating_mul(i64::from(healthy)) > MAX_TOTAL_US) {
        return Err(Rejection::Invalid);
    }
    Ok(Judged {
        // A clock that is ahead must not make later results look late.
        at: at.min(now),
        healthy,
        response_us,
        min_us: micros(result.min_ms)?,
        max_us: micros(result.max_ms)?,
        message: cut(result.message.as_deref(), MAX_MESSAGE_CHARS),
        version: cut(result.version.as_deref(), MAX_VERSION),
        hostname: cut(result.hostname.as_deref(), MAX_HOSTNAME),
        relay_error: cut(result.relay_error.as_deref(), MAX_MESSAGE_CHARS),
        relay_us: micros(result.relay_ms)?,
        result,
    })
}

fn micros(millis: Option<f64>) -> Result<Option<i64>, Rejection> {
    match millis {
        None => Ok(None),
        Some(millis) if (0.0..=MAX_LATENCY_MS).contains(&millis) => Ok(Some((millis * 1000.0).round() as i64)),
        Some(_) => Err(Rejection::Invalid),
    }
}

/// The first `chars` characters, without NUL characters, which PostgreSQL cannot store.
fn cut(text: Option<&str>, chars: usize) -> Option<Cow<'_, str>> {
    let text = text?;
    // A text has at least as many bytes as characters.
    if text.len() <= chars && !text.contains('\0') {
        return Some(Cow::Borrowed(text));
    }
    Some(text.chars().filter(|c| *c != '\0').take(chars).collect())
}

#[cfg(test)]
mod tests {
    use easytier_probe::Stage;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{ProbeId, ProbeIdentity, RegionId};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

    fn batch(sent_at: Option<Timestamp>) -> Batch {
        let from = ProbeIdentity {
            probe: ProbeId(1),
            server_id: "p".into(),
            region_id: RegionId(1),
            region: Default::default(),
        };
        Batch { sent_at, ..Batch::of_probe(from, NOW, Vec::new()) }
    }

    fn result(at: Timestamp) -> CheckResult {
        CheckResult {
            id: Uuid::nil(),
            peer_id: 1,
            checked_at: at.into(),
            checks: 1,
            healthy: None,
            status: Status::Online,
            response_time: Some(12.41),
            min_ms: None,
            max_ms: None,
            stage: Stage::Ping,
            error: None,
            message: None,
            version: None,
            hostname: None,
            network_count: None,
            relay: None,
            relay_error: None,
            relay_ms: None,
            certificate_expires_at: None,
            listing: None,
        }
    }

    fn judged_at(at: i64, sent_at: Option<i64>) -> Result<Timestamp, Rejection> {
        let batch = batch(sent_at.map(|ms| Timestamp(NOW.0 + ms)));
        judge(&batch, &result(Timestamp(NOW.0 + at)), KEEP).map(|judged| judged.at)
    }

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    #[test]
    fn times_are_corrected_when_the_clock_of_the_probe_is_clearly_wrong() {
        assert_eq!(judged_at(-MINUTE, None), Ok(Timestamp(NOW.0 - MINUTE)));
        assert_eq!(judged_at(2 * DAY - MINUTE, Some(2 * DAY)), Ok(Timestamp(NOW.0 - MINUTE)));
        assert_eq!(judged_at(-30 * DAY - MINUTE, Some(-30 * DAY)), Ok(Timestamp(NOW.0 - MINUTE)));
        assert_eq!(judged_at(-MINUTE, Some(-4000)), Ok(Timestamp(NOW.0 - MINUTE)), "four seconds may be the network");
    }

    #[test]
    fn times_ahead_or_too_long_ago_are_rejected_and_a_time_slightly_ahead_becomes_now() {
        assert_eq!(judged_at(4 * MINUTE, None), Ok(NOW));
        assert_eq!(judged_at(6 * MINUTE, None), Err(Rejection::InFuture));
        assert_eq!(judged_at(2 * DAY, Some(0)), Err(Rejection::InFuture));
        assert_eq!(judged_at(-6 * DAY, None), Ok(Timestamp(NOW.0 - 6 * DAY)));
        assert_eq!(judged_at(-8 * DAY, None), Err(Rejection::TooOld));
    }

    #[test]
    fn impossible_values_are_rejected() {
        let judged = |change: fn(&mut CheckResult)| {
            let mut result = result(NOW);
            change(&mut result);
            judge(&batch(None), &result, KEEP).map(|judged| (judged.healthy, judged.response_us))
        };
        assert_eq!(judged(|_| ()), Ok((1, Some(12_410))));
        assert_eq!(judged(|result| result.status = Status::Offline), Ok((0, Some(12_410))));
        for wrong in [
            (|result| result.checks = 0) as fn(&mut CheckResult),
            |result| result.checks = u32::MAX,
            |result| result.healthy = Some(2),
            |result| result.response_time = Some(-1.0),
            |result| result.min_ms = Some(f64::NAN),
            |result| result.max_ms = Some(f64::INFINITY),
            |result| (result.checks, result.response_time) = (172_800, Some(1001.0)),
        ] {
            assert_eq!(judged(wrong), Err(Rejection::Invalid));
        }
    }

    #[test]
    fn texts_are_cut_to_their_maximum_length() {
        let mut long = result(NOW);
        long.message = Some("\0é".repeat(1000));
        let judged = judge(&batch(None), &long, KEEP).unwrap();
        assert_eq!(judged.message.as_deref(), Some("é".repeat(MAX_MESSAGE_CHARS).as_str()));
    }
}
