//! Which results are taken, and at what time they count: all that can be said without the database.

use std::time::Duration;

use easytier_probe::{CheckResult, Status, result::MAX_MESSAGE_CHARS};

use crate::{
    model::{Batch, Rejection},
    time::{CLOCK_TOLERANCE, Timestamp},
};

/// How far ahead of the hub a corrected time may be.
const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);

/// The most checks that one result may stand for: a day of two a second.
const MAX_CHECKS: u32 = 2 * 24 * 3600;

/// The longest latency that is believed, in milliseconds: an hour.
const MAX_LATENCY_MS: f64 = 3_600_000.0;

/// Limits of texts, in characters.
const MAX_VERSION: usize = 64;
const MAX_HOSTNAME: usize = 255;

/// A result that may be stored: its times are the hub's, its figures make sense, its texts fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    /// When it was checked, by the hub's clock.
    pub at: Timestamp,
    pub healthy: u32,
    /// Microseconds.
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    /// The rest, as it was sent.
    pub result: CheckResult,
}

/// Takes or refuses a result of `batch`.
pub(super) fn judge(batch: &Batch, mut result: CheckResult, keep: Duration) -> Result<Judged, Rejection> {
    let now = batch.received_at;
    let at = hub_time(batch, result.checked_at.into());
    if at > now + MAX_AHEAD {
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
    result.message = result.message.map(|text| fitting(&text, MAX_MESSAGE_CHARS));
    result.relay_error = result.relay_error.map(|text| fitting(&text, MAX_MESSAGE_CHARS));
    result.version = result.version.map(|text| fitting(&text, MAX_VERSION));
    result.hostname = result.hostname.map(|text| fitting(&text, MAX_HOSTNAME));
    Ok(Judged {
        // A clock a little ahead must not make later results look late.
        at: at.min(now),
        healthy,
        response_us: micros(result.response_time)?,
        min_us: micros(result.min_ms)?,
        max_us: micros(result.max_ms)?,
        result,
    })
}

/// A time of the probe's clock on the hub's, as far as the batch tells how the two differ.
fn hub_time(batch: &Batch, at: Timestamp) -> Timestamp {
    let Some(sent_at) = batch.sent_at else { return at };
    let error = batch.received_at.0.saturating_sub(sent_at.0);
    let tolerable = Duration::from_millis(error.unsigned_abs()) <= CLOCK_TOLERANCE;
    if tolerable { at } else { Timestamp(at.0.saturating_add(error)) }
}

fn micros(millis: Option<f64>) -> Result<Option<i64>, Rejection> {
    match millis {
        None => Ok(None),
        Some(millis) if (0.0..=MAX_LATENCY_MS).contains(&millis) => Ok(Some((millis * 1000.0).round() as i64)),
        Some(_) => Err(Rejection::Invalid),
    }
}

/// At most `chars` characters, and none that PostgreSQL cannot store.
fn fitting(text: &str, chars: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(chars).collect()
}

#[cfg(test)]
mod tests {
    use easytier_probe::Stage;
    use uuid::Uuid;

    use super::*;
    use crate::model::{ProbeId, ProbeIdentity, RegionId};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

    fn batch(sent_at: Option<Timestamp>) -> Batch {
        let from = ProbeIdentity {
            probe: ProbeId(1),
            server_id: "p".into(),
            region_id: RegionId(1),
            region: Default::default(),
        };
        Batch { from, received_at: NOW, sent_at, results: Vec::new() }
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
        }
    }

    fn judged_at(at: i64, sent_at: Option<i64>) -> Result<Timestamp, Rejection> {
        let batch = batch(sent_at.map(|ms| Timestamp(NOW.0 + ms)));
        judge(&batch, result(Timestamp(NOW.0 + at)), KEEP).map(|judged| judged.at)
    }

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    #[test]
    fn the_clock_of_the_probe_is_corrected_when_it_is_clearly_wrong() {
        assert_eq!(judged_at(-MINUTE, None), Ok(Timestamp(NOW.0 - MINUTE)));
        assert_eq!(judged_at(2 * DAY - MINUTE, Some(2 * DAY)), Ok(Timestamp(NOW.0 - MINUTE)));
        assert_eq!(judged_at(-30 * DAY - MINUTE, Some(-30 * DAY)), Ok(Timestamp(NOW.0 - MINUTE)));
        assert_eq!(judged_at(-MINUTE, Some(-4000)), Ok(Timestamp(NOW.0 - MINUTE)), "four seconds are the network's");
    }

    #[test]
    fn times_ahead_and_too_long_ago_are_refused_and_a_little_ahead_is_now() {
        assert_eq!(judged_at(4 * MINUTE, None), Ok(NOW));
        assert_eq!(judged_at(6 * MINUTE, None), Err(Rejection::InFuture));
        assert_eq!(judged_at(2 * DAY, Some(0)), Err(Rejection::InFuture));
        assert_eq!(judged_at(-6 * DAY, None), Ok(Timestamp(NOW.0 - 6 * DAY)));
        assert_eq!(judged_at(-8 * DAY, None), Err(Rejection::TooOld));
    }

    #[test]
    fn figures_that_make_no_sense_are_refused() {
        let judged = |change: fn(&mut CheckResult)| {
            let mut result = result(NOW);
            change(&mut result);
            judge(&batch(None), result, KEEP)
        };
        assert_eq!(judged(|_| ()).map(|judged| (judged.healthy, judged.response_us)), Ok((1, Some(12_410))));
        assert_eq!(judged(|result| result.status = Status::Offline).map(|judged| judged.healthy), Ok(0));
        for wrong in [
            (|result| result.checks = 0) as fn(&mut CheckResult),
            |result| result.checks = u32::MAX,
            |result| result.healthy = Some(2),
            |result| result.response_time = Some(-1.0),
            |result| result.min_ms = Some(f64::NAN),
            |result| result.max_ms = Some(f64::INFINITY),
        ] {
            assert_eq!(judged(wrong), Err(Rejection::Invalid));
        }
    }

    #[test]
    fn texts_are_cut_to_what_can_be_stored() {
        let mut long = result(NOW);
        long.message = Some("\0é".repeat(1000));
        let judged = judge(&batch(None), long, KEEP).unwrap();
        assert_eq!(judged.result.message, Some("é".repeat(MAX_MESSAGE_CHARS)));
    }
}
