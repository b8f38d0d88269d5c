//! The check of one peer.

use std::time::Duration;

use crate::{AddressPolicy, CheckReport, Peer, Resolver};

/// How checks are done.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The deadline of a whole check, for peers that name none of their own.
    pub timeout: Duration,
    /// Pings of one check.
    pub pings: u32,
    /// The least time between two joins of the same address; zero for no limit.
    pub join_interval: Duration,
    /// Where peers may lie that no person at this machine named.
    pub addresses: AddressPolicy,
}

/// Checks peers.
#[derive(Clone)]
pub struct Checker {
    _options: CheckOptions,
}

impl Checker {
    pub fn new(options: CheckOptions) -> Self {
        Self { _options: options }
    }

    pub fn with_resolver(options: CheckOptions, _resolver: Resolver) -> Self {
        Self { _options: options }
    }

    pub async fn check(&self, _peer: &Peer) -> CheckReport {
        todo!()
    }
}
