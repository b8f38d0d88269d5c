//! The log of changes, for `GET /api/events`.

use serde::Serialize;
use serde_json::Value as Json;

use super::{PeerId, ProbeId, Timestamp};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The verdict of a peer changed: `unknown`, `down`, `partial` or `up`.
    Peer,
    /// The presence of a probe changed: `online` or `offline`.
    Probe,
    /// Tests found something else than before of whether a peer relays: `ok`, `refused` or `failed`.
    Relay,
}

impl EventKind {
    /// The name, in the API and in the database.
    pub fn as_str(self) -> &'static str {
        ["peer", "probe", "relay"][self as usize]
    }

    /// The kind with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Peer, Self::Probe, Self::Relay].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Whose events somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSubject {
    /// What happened to a peer, of each kind.
    Peer(PeerId),
    /// What happened to a probe.
    Probe(ProbeId),
}

impl EventSubject {
    /// The kinds that its events have.
    pub(crate) fn kinds(self) -> &'static [EventKind] {
        match self {
            Self::Peer(_) => &[EventKind::Peer, EventKind::Relay],
            Self::Probe(_) => &[EventKind::Probe],
        }
    }

    /// The id that its events name.
    pub(crate) fn id(self) -> i64 {
        match self {
            Self::Peer(PeerId(id)) | Self::Probe(ProbeId(id)) => id,
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Grows with time, so it serves as a cursor.
    pub id: i64,
    /// When the change was noticed.
    pub at: Timestamp,
    /// What changed.
    pub kind: EventKind,
    /// The id of the peer or the probe.
    pub subject_id: i64,
    /// The state before.
    pub was: String,
    /// The state after.
    pub became: String,
    /// For a peer, `{"online": n, "regions": n}`: how many fresh regions see it online, and how many fresh regions there
    /// are. For a probe, `{"server_id": …, "region": …}`. For relaying, `{"reason": …}`: why the peer does not relay, or null.
    pub detail: Json,
}
