//! Results that probes send, and the hub's answer.

use easytier_probe::CheckResult;
use serde::Serialize;

use super::{ProbeIdentity, Timestamp};

/// The payload of one `POST /results`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The probe that sent it.
    pub from: ProbeIdentity,
    /// The hub's clock when the batch arrived.
    pub received_at: Timestamp,
    /// The probe's clock when it sent the batch.
    pub sent_at: Option<Timestamp>,
    /// The results.
    pub results: Vec<CheckResult>,
}

/// The outcome of a batch. What it does not list as rejected is stored durably.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Receipt {
    /// How many results were stored.
    pub accepted: usize,
    /// How many results had been stored before.
    pub duplicates: usize,
    /// The results that were refused, in the order of their indexes.
    pub rejected: Vec<Rejected>,
}

/// A result that was refused. Sending it again gives the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Its position in the batch, from 0.
    pub index: usize,
    /// Why it was refused.
    pub reason: Rejection,
}

/// Why a result was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// There is no peer with this id.
    UnknownPeer,
    /// The peer is not checked from the probe's region.
    WrongRegion,
    /// The check was of the peer as it was before its URL, network or depth of checks was changed.
    PeerChanged,
    /// It is older than the raw results that are kept.
    TooOld,
    /// It is more than five minutes ahead of the hub, after the correction of the probe's clock.
    InFuture,
    /// It has no checks, more healthy checks than checks, or an impossible latency.
    Invalid,
}
