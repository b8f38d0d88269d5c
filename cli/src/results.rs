//! The results of checks, in several formats.

pub mod json;
pub mod summary;
pub mod table;
pub mod words;

use easytier_probe::{CheckReport, Peer};

/// The report of a check, and the peer's name.
#[derive(Debug, Clone)]
pub struct Checked {
    pub name: Option<String>,
    pub report: CheckReport,
}

impl Checked {
    pub fn new(peer: &Peer, report: CheckReport) -> Self {
        Self { name: peer.name.clone(), report }
    }
}
