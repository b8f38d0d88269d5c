//! URLs that yield URLs that yield URLs.

use std::collections::HashSet;

use super::quote::quote_url;
use crate::{Failure, FailureCode, PeerUrl};

/// The maximum number of URLs that are followed for one peer, besides its own. EasyTier follows a chain for as many steps
/// (`connectivity/manual/mod.rs:40` of its main branch; 2.6.4 knows no limit).
pub const MAX_FOLLOWED: usize = 16;

/// The URLs of one peer that were followed.
pub(super) struct Chain {
    followed: HashSet<PeerUrl>,
}

impl Chain {
    /// The chain that begins at the peer's own URL.
    pub(super) fn of(url: &PeerUrl) -> Self {
        Self { followed: HashSet::from([url.clone()]) }
    }

    /// Adds `next`, to which `from` leads, and returns it to be followed.
    ///
    /// # Errors
    ///
    /// If it was followed before, or the chain is too long.
    pub(super) fn add(&mut self, from: &PeerUrl, next: PeerUrl) -> Result<PeerUrl, Failure> {
        let [source, target] = [from, &next].map(|url| quote_url(&url.to_string()));
        let message = if self.followed.contains(&next) {
            format!("{source} leads to {target}, which was followed before: a loop, in which no client finds a node")
        } else if self.followed.len() > MAX_FOLLOWED {
            format!("{source} leads to {target}, which is not followed: {MAX_FOLLOWED} URLs were followed before it")
        } else {
            self.followed.insert(next.clone());
            return Ok(next);
        };
        Err(Failure::new(FailureCode::ResolverFailed, message))
    }
}
