//! Servers that announced themselves without a credential.

use std::time::Duration;

use serde_json::Value as Json;

use super::{DAY, Presence, Region, Registration, Timestamp};

/// How many servers without a credential are listed.
pub const MAX_OPEN_SERVERS: u32 = 1000;

/// How many servers without a credential one address may have announced. Of IPv6 a /64 network is one address.
pub const MAX_OPEN_SERVERS_OF_ADDRESS: u32 = 5;

/// How long a server without a credential may be silent before it is gone.
pub(crate) const OPEN_SERVER_EXPIRES_AFTER: Duration = DAY;

/// A server without a credential. It is listed, and nothing else: it is no probe, has no token, and checks nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenServer {
    /// The name that it gave itself.
    pub server_id: String,
    /// Where it says that it runs.
    pub region: Region,
    /// Whether it is running.
    pub presence: Presence,
    /// What it declared.
    pub registration: Registration,
    /// The payload of its last heartbeat that had one.
    pub counters: Option<Json>,
    /// When it announced itself.
    pub registered_at: Timestamp,
    /// When it was last heard from.
    pub last_seen_at: Timestamp,
}

/// What became of the announcement of a server without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// It is listed.
    Listed,
    /// [`MAX_OPEN_SERVERS_OF_ADDRESS`] of its address are listed already.
    AddressFull,
    /// [`MAX_OPEN_SERVERS`] are listed already.
    ListFull,
}

/// Whose a server without a credential is, for a caller that wants to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The caller announced it.
    Own,
    /// It was announced from another address.
    Foreign,
    /// There is none.
    Unknown,
}
