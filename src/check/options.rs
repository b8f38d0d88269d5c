//! How checks are done.

use std::time::Duration;

use crate::AddressPolicy;

/// How checks are done.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The longest time that a check may take, for peers without a timeout of their own. Waiting for other checks does not
    /// count; it takes at most as long again. Default: 5 s.
    pub timeout: Duration,
    /// How many pings a check sends at most. Default: 3.
    pub pings: u32,
    /// The shortest time between two joins of one address; zero for no limit. Default: 1 s.
    pub join_interval: Duration,
    /// The age at which a held session is replaced by a new one; each session's own is up to a tenth shorter or longer, so
    /// that not all are replaced at once. Default: 1 h.
    pub renew_after: Duration,
    /// The maximum number of checks that connect at the same time; 0 counts as 1. Default: 512.
    pub max_checks: usize,
    /// The maximum number of sockets of all checks and held sessions together, without those of DNS lookups; fewer than 12
    /// count as 12. Where they do not suffice, fewer checks connect at the same time than `max_checks`, and not every
    /// session is held: such a peer is joined anew at each check. Default: no limit, for the caller knows how many
    /// descriptors its process may have.
    pub max_sockets: usize,
    /// Which addresses are allowed for peers that a backend listed. Default: public and private ones.
    pub addresses: AddressPolicy,
    /// The local UDP port of QUIC; where it is taken, any port is used. Default: any port.
    ///
    /// A process that ends after a few checks should have a fixed one. Nodes newer than EasyTier 2.6.4 keep a session until
    /// they end for each address and port from which QUIC came, and with 1,024 of them nobody can connect any more. One
    /// checker has one port, however many checks it does.
    pub quic_port: Option<u16>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            pings: 3,
            join_interval: Duration::from_secs(1),
            renew_after: Duration::from_secs(3600),
            max_checks: 512,
            max_sockets: usize::MAX,
            addresses: AddressPolicy { allow_private: true, allow_local: false },
            quic_port: None,
        }
    }
}
