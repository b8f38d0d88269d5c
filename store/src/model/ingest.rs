//! Results on their way in.

use easytier_probe::CheckResult;
use serde::Serialize;

use super::ProbeIdentity;
use crate::time::Timestamp;

/// What one `POST /results` carries.
#[derive(Debug, Clone)]
pub struct Batch {
    pub from: ProbeIdentity,
    /// The hub's clock when the batch arrived.
    pub received_at: Timestamp,
    /// The probe's clock when it sent the batch.
    pub sent_at: Option<Timestamp>,
    pub results: Vec<CheckResult>,
}

/// What became of a batch. What is in it is durably stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Receipt {
    pub accepted: usize,
    /// Stored before.
    pub duplicates: usize,
    /// By index.
    pub rejected: Vec<Rejected>,
}

/// A result that was not taken, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Its place in the batch, from 0.
    pub index: usize,
    pub reason: Rejection,
}

/// Why a result was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    UnknownPeer,
    /// The peer is not watched from the probe's region.
    WrongRegion,
    /// Older than the raw results that are kept.
    TooOld,
    /// More than five minutes ahead after the correction of the probe's clock.
    InFuture,
    /// No checks, more healthy ones than checks, or a latency that is no time.
    Invalid,
}
