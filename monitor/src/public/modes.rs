//! A node in each mode of checking, with what each last said: `direct` by the probe in the process of this instance, `remote` by the
//! other probes of the regions, `relay` between two guests, `reverse` by probes that were asked over their own connections.

use std::{collections::BTreeMap, iter};

use easytier_probe::{FailureCode, Relay, Stage, Status};
use easytier_uptime_store::domain::{
    LatestResult, MeasuredRelay, Region, RegionReport, RequestedAnswer, Timestamp, Verdict,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A node in each mode of checking. A mode that has said nothing of the node is null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Modes {
    /// The last check by the probe in the process of this instance.
    pub direct: Option<ModeReport>,
    /// The last check by the other probes of each region.
    pub remote: Option<ModeReport>,
    /// The last tests whether the node relays data between two guests: `up` if it does, `down` if it does not.
    pub relay: Option<ModeReport>,
    /// The last checks that somebody requested within an hour, which probes take over connections of their own. They do not count for the
    /// verdict of the node.
    pub reverse: Option<ModeReport>,
}

/// What one mode last said of a node.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct ModeReport {
    /// `up` when more than half of the places with a recent answer reached the node, `partial` when fewer did, `down` when none did,
    /// `unknown` when there is no recent answer.
    #[schema(value_type = String, example = "up")]
    pub verdict: Verdict,
    /// Places with a recent answer that reached the node. Each region is a place.
    pub online: usize,
    /// Places with a recent answer.
    pub total: usize,
    /// The newest of the answers.
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: Timestamp,
    /// Microseconds: the median round trip of the places that reached the node.
    pub response_time: Option<i64>,
    /// Where the newest check that failed ended; null when none did.
    #[schema(value_type = Option<String>, example = "connect")]
    pub stage: Option<Stage>,
    /// Why it failed.
    #[schema(value_type = Option<String>, example = "connect_refused")]
    pub error: Option<FailureCode>,
}

/// What one place said.
struct Answer {
    at: Timestamp,
    /// `None` when the answer does not count any more, or is no evidence about the node.
    is_online: Option<bool>,
    response_us: Option<i64>,
    stage: Option<Stage>,
    error: Option<FailureCode>,
}

impl Modes {
    /// What the modes said. `own`: the probe in the process of this instance; `requested`: the answers to requests, the newest first.
    pub fn of(
        own: Option<&str>,
        reports: &[RegionReport],
        relay: Option<&MeasuredRelay>,
        requested: &[RequestedAnswer],
    ) -> Self {
        let is_own = |result: &LatestResult| Some(result.server_id.as_str()) == own;
        // The newest of each region.
        let newest = |of_own: bool| {
            reports.iter().filter_map(move |report| {
                let mut results = iter::once(&report.latest).chain(&report.others);
                let result = results.find(|result| is_own(result) == of_own)?;
                Some(Answer::of(result, report.status.is_some()))
            })
        };
        // A probe that was moved has results in two regions.
        let direct = newest(true).max_by_key(|answer| answer.at);
        Self {
            direct: ModeReport::of(direct.into_iter()),
            remote: ModeReport::of(newest(false)),
            relay: relay.map(|found| ModeReport::of_relay(found, reports)),
            reverse: ModeReport::of(last_requested(own, requested).into_iter()),
        }
    }
}

/// The newest answer of each region; the probe in this process needs no connection of its own.
fn last_requested(own: Option<&str>, requested: &[RequestedAnswer]) -> Vec<Answer> {
    let mut newest: BTreeMap<&Region, Answer> = BTreeMap::new();
    for answer in requested.iter().filter(|answer| Some(answer.server_id.as_str()) != own) {
        newest.entry(&answer.region).or_insert_with(|| Answer::requested(answer));
    }
    newest.into_values().collect()
}

impl Answer {
    fn of(result: &LatestResult, counts: bool) -> Self {
        Self {
            at: result.checked_at,
            is_online: is_online(result.status).filter(|_| counts),
            response_us: result.response_us,
            stage: result.stage,
            error: result.error,
        }
    }

    /// Codes and figures alone: the texts of the node are for who asked.
    fn requested(answer: &RequestedAnswer) -> Self {
        let result = &answer.result;
        Self {
            at: answer.requested_at,
            is_online: is_online(result.status),
            response_us: result.response_time.map(|millis| (millis * 1000.0).round() as i64),
            stage: Some(result.stage),
            error: result.error,
        }
    }
}

fn is_online(status: Status) -> Option<bool> {
    match status {
        Status::Online => Some(true),
        Status::Offline => Some(false),
        _ => None,
    }
}

impl ModeReport {
    /// What the places said together; `None` when none said anything.
    fn of(answers: impl Iterator<Item = Answer>) -> Option<Self> {
        let answers: Vec<Answer> = answers.collect();
        let newest = |wanted: fn(&&Answer) -> bool| answers.iter().filter(wanted).max_by_key(|answer| answer.at);
        let checked_at = newest(|_| true)?.at;
        let failed = newest(|answer| answer.is_online == Some(false))
            .or_else(|| newest(|answer| answer.is_online.is_none() && answer.error.is_some()));
        let of = |wanted: bool| answers.iter().filter(move |answer| answer.is_online == Some(wanted));
        let (online, offline) = (of(true).count(), of(false).count());
        Some(Self {
            verdict: Verdict::of(online, offline),
            online,
            total: online + offline,
            checked_at,
            response_time: median(of(true).filter_map(|answer| answer.response_us).collect()),
            stage: failed.and_then(|answer| answer.stage),
            error: failed.and_then(|answer| answer.error),
        })
    }

    /// What the tests of relaying found, which have a vote of their own.
    fn of_relay(found: &MeasuredRelay, reports: &[RegionReport]) -> Self {
        let of = |verdict| {
            reports.iter().filter_map(|report| report.relay.as_ref()).filter(|one| one.verdict == verdict).count()
        };
        let (verdict, error) = match found.verdict {
            Relay::Ok => (Verdict::Up, None),
            Relay::Refused => (Verdict::Down, Some(FailureCode::RelayRefused)),
            Relay::Failed => (Verdict::Unknown, None),
        };
        Self {
            verdict,
            online: of(Relay::Ok),
            total: of(Relay::Ok) + of(Relay::Refused),
            checked_at: found.checked_at,
            response_time: found.round_trip_us,
            stage: error.map(|_| Stage::Relay),
            error,
        }
    }
}

fn median(mut times: Vec<i64>) -> Option<i64> {
    times.sort_unstable();
    let middle = times.len().checked_sub(1)? / 2;
    let (low, high) = (times.get(middle)?, times.get(times.len() / 2)?);
    Some(low + (high - low) / 2)
}
