//! The failures on the ways to the nodes of one peer.

use tracing::debug;

use crate::{Blame, Failure, FailureCode};

/// The failure that counts if no way leads to a node: the first that is not the peer's fault, because behind it a node may
/// be; otherwise the first.
#[derive(Default)]
pub(super) struct Failures(Option<Failure>);

impl Failures {
    pub(super) fn add(&mut self, failure: Failure) {
        debug!(%failure, "no target");
        match &self.0 {
            Some(first) if first.blame != Blame::Peer || failure.blame == Blame::Peer => {}
            _ => self.0 = Some(failure),
        }
    }

    pub(super) fn into_failure(self) -> Failure {
        self.0.unwrap_or_else(|| Failure::new(FailureCode::ResolverFailed, "no URL of a node"))
    }
}
