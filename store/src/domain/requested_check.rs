//! Checks that somebody asks for, and the orders that probes get because of them.

use std::{net::IpAddr, time::Duration};

use easytier_probe::{CheckResult, PeerUrl};
use uuid::Uuid;

use super::{PeerId, ProbePeer, Region, Timestamp};

/// The maximum number of probes that one request may ask.
pub const MAX_VANTAGES: usize = 6;

/// No address is checked again by request within this time, whoever asks and from wherever.
pub const REQUEST_INTERVAL: Duration = Duration::from_secs(10);

/// A check to be made now.
#[derive(Debug, Clone)]
pub struct NewCheck {
    /// Its id, which the caller makes.
    pub id: Uuid,
    /// What is checked.
    pub target: CheckTarget,
    /// From where: the names of regions and `server_id`s, at most [`MAX_VANTAGES`]. Without any, every region in which a probe is
    /// available.
    pub from: Vec<String>,
    /// The deadline of the check, without the way of the order and the answer.
    pub timeout: Duration,
    /// The addresses that it reaches, as far as the hub knows.
    pub addresses: Vec<IpAddr>,
    /// Who asks, for the operator.
    pub requested_by: String,
}

/// What a requested check is about.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckTarget {
    /// A watched peer, with its network and secret.
    Peer(PeerId),
    /// A node at a URL, as a guest.
    Url {
        /// Where it is.
        url: PeerUrl,
        /// Whether a stranger named it: then public addresses alone are checked.
        submitted: bool,
    },
}

/// What a probe is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its number; those of a probe grow.
    pub number: i64,
    /// The peer to check once, with the deadline. A node that is no peer has the id 0.
    pub peer: ProbePeer,
}

/// A check that was asked for, with the answers so far.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestedCheck {
    /// Its id.
    pub id: Uuid,
    /// The peer, unless a URL was given.
    pub peer: Option<PeerId>,
    /// What is checked, without user name and password.
    pub url: String,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: Timestamp,
    /// One for each probe, or for each name without an available one.
    pub runs: Vec<CheckRun>,
}

impl RequestedCheck {
    /// Whether an answer may still come.
    pub fn is_running(&self) -> bool {
        self.runs.iter().any(|run| run.outcome == RunOutcome::Waiting)
    }
}

/// A requested check from one place.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRun {
    /// The region or the `server_id` that was asked for.
    pub vantage: String,
    /// The probe that was chosen, and its region.
    pub probe: Option<(String, Region)>,
    /// What it says.
    pub outcome: RunOutcome,
}

/// What a probe answered when a check of a peer was requested.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestedAnswer {
    /// The probe.
    pub server_id: String,
    /// Its region.
    pub region: Region,
    /// When the check was requested, by the hub's clock.
    pub requested_at: Timestamp,
    /// What it found.
    pub result: CheckResult,
}

/// What a probe says of a requested check.
#[derive(Debug, Clone, PartialEq)]
pub enum RunOutcome {
    /// It may still answer.
    Waiting,
    /// Its result.
    Done(Box<CheckResult>),
    /// There is no probe, or it did not answer in time.
    Unavailable,
}
