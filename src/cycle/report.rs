//! The report of a cycle.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::traits::BoxError;
use crate::{CheckResult, FailureCode, PeerUrl};

/// The report of a cycle. Its serialised size does not depend on the number of peers: it leaves out
/// `undelivered_results`.
#[derive(Debug, Serialize)]
pub struct CycleReport {
    /// The id of the cycle, a UUIDv7.
    pub cycle_id: Uuid,
    /// When the cycle began.
    pub started_at: DateTime<Utc>,
    /// How long the cycle took, in milliseconds.
    pub duration_ms: f64,
    /// How long the parts of the cycle took.
    pub durations: Durations,
    /// How many peers were checked: the sum of `online`, `offline` and `unknown`.
    pub checked: u64,
    /// How many peers were found online.
    pub online: u64,
    /// How many peers were found offline.
    pub offline: u64,
    /// How many checks said nothing about the peer.
    pub unknown: u64,
    /// How many peers were listed but not checked, because the time was up or their listing is not valid.
    pub skipped: u64,
    /// The median round trip to the online peers, in milliseconds.
    pub response_time: Option<f64>,
    /// Why failures of this cycle are taken for the probe's own: it seems to be cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// How many checks failed with each code.
    pub failures: BTreeMap<FailureCode, u64>,
    /// The five slowest checks, the slowest first.
    pub slowest: Vec<SlowCheck>,
    /// How many results the backend has stored, including those it already had.
    pub delivered: u64,
    /// How many results the backend has no use for.
    pub not_wanted: u64,
    /// How many results the backend rejected for good.
    pub rejected: u64,
    /// How many results could not be delivered; they may be sent again.
    pub undelivered: u64,
    /// Whether all peers were listed and checked. Peers whose listing is not valid do not count.
    pub complete: bool,
    /// Why the list of peers could not be fetched to its end.
    #[serde(serialize_with = "as_text")]
    pub fetch_error: Option<BoxError>,
    /// Why results, or the probe's own status, could not be delivered.
    #[serde(serialize_with = "as_text")]
    pub report_error: Option<BoxError>,
    /// The results that could not be delivered, for the caller to send again.
    #[serde(skip)]
    pub undelivered_results: Vec<CheckResult>,
}

/// How long the parts of a cycle took, in milliseconds. The parts run concurrently, so the sum can exceed the duration of
/// the cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Durations {
    /// The time until the last page was fetched.
    pub fetch_ms: f64,
    /// The time until the last check ended.
    pub check_ms: f64,
    /// The time spent sending results.
    pub report_ms: f64,
}

/// A slow check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlowCheck {
    /// The id of the peer.
    pub peer_id: i64,
    /// The URL of the peer.
    pub url: PeerUrl,
    /// How long the check took, in milliseconds.
    pub took_ms: f64,
}

fn as_text<S: Serializer>(error: &Option<BoxError>, serializer: S) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => serializer.collect_str(error),
        None => serializer.serialize_none(),
    }
}
