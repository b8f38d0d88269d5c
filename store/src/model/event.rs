//! What happened, for `GET /api/events`.

use serde::Serialize;
use serde_json::Value as Json;

use crate::time::Timestamp;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The consensus of a peer changed: `unknown`, `down`, `partial`, `up`.
    Peer,
    /// A probe came or went: `online`, `offline`.
    Probe,
}

impl EventKind {
    pub fn as_str(self) -> &'static str {
        ["peer", "probe"][self as usize]
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Peer, Self::Probe].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Grows with time, so it serves as a cursor.
    pub id: i64,
    pub at: Timestamp,
    pub kind: EventKind,
    /// The peer's or the probe's id.
    pub subject_id: i64,
    pub was: String,
    pub became: String,
    /// Of a peer, `{"online": n, "regions": n}`: how many fresh regions there were and how many said Online; of a
    /// probe, `{"server_id": …, "region": …}`.
    pub detail: Json,
}
