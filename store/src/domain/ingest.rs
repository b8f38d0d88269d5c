//! Results that probes send, and the hub's answer.

use std::time::Duration;

use easytier_probe::CheckResult;
use serde::Serialize;

use super::{CLOCK_TOLERANCE, ProbeIdentity, Timestamp};

/// Results of one probe.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The probe that checked.
    pub from: ProbeIdentity,
    /// The hub's clock when the batch arrived.
    pub received_at: Timestamp,
    /// The probe's clock when it sent the batch.
    pub sent_at: Option<Timestamp>,
    /// Who sent it.
    pub via: Via,
    /// The results.
    pub results: Vec<CheckResult>,
}

impl Batch {
    /// A batch that the probe itself sent, of which nothing else is known.
    pub fn of_probe(from: ProbeIdentity, received_at: Timestamp, results: Vec<CheckResult>) -> Self {
        Self { from, received_at, sent_at: None, via: Via::Probe, results }
    }

    /// Converts a time of the sender's clock to the hub's clock, when the batch shows that the two clocks differ.
    pub(crate) fn hub_time(&self, at: Timestamp) -> Timestamp {
        let Some(sent_at) = self.sent_at else { return at };
        let error = self.received_at.0.saturating_sub(sent_at.0);
        let tolerable = Duration::from_millis(error.unsigned_abs()) <= CLOCK_TOLERANCE;
        if tolerable { at } else { Timestamp(at.0.saturating_add(error)) }
    }
}

/// Who sent results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The probe. It runs at the time at which they arrive.
    Probe,
    /// An instance that took them from the probe. The probe ran when it checked.
    Instance {
        /// Whether it is the instance that this one forwards results to.
        mirrored: bool,
    },
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
    /// It is more than five minutes ahead of the hub, after the correction of the probe's clock. Not for results that another
    /// instance took: these count as of now.
    InFuture,
    /// It has no checks, more healthy checks than checks, or an impossible latency.
    Invalid,
}
