//! What a check says about the network.

use crate::{CheckReport, FailureCode, Status};

/// What a check says about the network between the probe and the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The peer is online.
    Online,
    /// The peer could not be reached or did not answer.
    Failed,
    /// Neither, such as a check that could not start.
    Inconclusive,
}

impl Finding {
    /// The finding of the check with this report. A repeated answer is no contact with the peer.
    pub fn of(report: &CheckReport) -> Self {
        match (report.result.status, report.result.error) {
            (Status::Online, _) if report.is_repeated => Self::Inconclusive,
            (Status::Online, _) => Self::Online,
            (Status::Offline, _) | (_, Some(FailureCode::ProbeUnreachable)) => Self::Failed,
            _ => Self::Inconclusive,
        }
    }
}
