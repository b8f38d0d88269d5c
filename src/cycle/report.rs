//! What a cycle says about itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::seams::BoxError;
use crate::{CheckResult, FailureCode, PeerUrl};

/// What came of a cycle. It serialises without the results that could not be delivered, of which it gives the number:
/// its size does not depend on how many peers there were.
#[derive(Debug, Serialize)]
pub struct CycleReport {
    pub cycle_id: Uuid,
    pub started_at: DateTime<Utc>,
    /// Of the whole cycle, in milliseconds.
    pub duration_ms: f64,
    pub durations: Durations,
    pub checked: u64,
    pub online: u64,
    pub offline: u64,
    pub unknown: u64,
    /// Peers that are known and were not checked: the time was over, or something in their listing is wrong.
    pub skipped: u64,
    /// The median round trip to the peers found healthy, in milliseconds.
    pub response_time: Option<f64>,
    /// How many checks ended with each code.
    pub failures: BTreeMap<FailureCode, u64>,
    /// The checks that took longest, the slowest first.
    pub slowest: Vec<SlowCheck>,
    /// Results that the backend has, those it had before among them.
    pub delivered: u64,
    /// Results that the backend has no use for.
    pub not_wanted: u64,
    /// Results that the backend never takes.
    pub rejected: u64,
    /// Results that the backend does not have yet.
    pub undelivered: u64,
    /// Whether every peer of the source was checked.
    pub complete: bool,
    /// Why no more peers could be fetched.
    #[serde(serialize_with = "as_text")]
    pub fetch_error: Option<BoxError>,
    /// Why results, or the status report, could not be delivered.
    #[serde(serialize_with = "as_text")]
    pub report_error: Option<BoxError>,
    #[serde(skip)]
    pub undelivered_results: Vec<CheckResult>,
}

/// How long the parts of a cycle took, in milliseconds. They run side by side, so these do not add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Durations {
    /// To the last page.
    pub fetch_ms: f64,
    /// To the last check.
    pub check_ms: f64,
    /// Spent sending results.
    pub report_ms: f64,
}

/// A check that took long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlowCheck {
    pub peer_id: i64,
    pub url: PeerUrl,
    pub took_ms: f64,
}

fn as_text<S: Serializer>(error: &Option<BoxError>, serializer: S) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => serializer.collect_str(error),
        None => serializer.serialize_none(),
    }
}
