//! What checks found, in words for people.

pub mod summary;
pub mod table;
pub mod words;

use easytier_probe::{CheckReport, Peer};

/// A peer that was checked: what it is called, and what came of it.
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
