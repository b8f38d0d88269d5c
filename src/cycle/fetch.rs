//! The first part of a cycle: fetches the peers.

use std::time::Duration;

use tokio::{
    sync::mpsc::Sender,
    time::{Instant, timeout_at},
};

use super::traits::{BoxError, PeerSource};
use crate::Peer;

#[derive(Default)]
pub(super) struct Fetched {
    pub took: Duration,
    /// Peers that were listed and not passed on.
    pub skipped: u64,
    /// Whether the whole list was passed on.
    pub complete: bool,
    pub error: Option<BoxError>,
}

/// Passes on the peers of `source`, until it ends or fails, or `check_by` passes.
pub(super) async fn fetch(source: &mut impl PeerSource, peers: Sender<Peer>, check_by: Instant) -> Fetched {
    let started = Instant::now();
    let mut fetched = Fetched::default();
    match pass_on(source, peers, check_by, &mut fetched.skipped).await {
        Ok(complete) => fetched.complete = complete,
        Err(error) => fetched.error = Some(error),
    }
    fetched.took = started.elapsed();
    fetched
}

/// Returns whether the whole list was passed on; if not, the receiver takes no more peers.
async fn pass_on(
    source: &mut impl PeerSource,
    peers: Sender<Peer>,
    check_by: Instant,
    skipped: &mut u64,
) -> Result<bool, BoxError> {
    loop {
        let page = match timeout_at(check_by, source.next_page(check_by)).await {
            Err(_) => return Err("the time for checking was up before all peers were listed".into()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(None)) => return Ok(true),
            Ok(Ok(Some(page))) => page,
        };
        *skipped += page.skipped;
        let mut page = page.peers.into_iter();
        while let Some(peer) = page.next() {
            if !matches!(timeout_at(check_by, peers.send(peer)).await, Ok(Ok(()))) {
                *skipped += 1 + page.len() as u64;
                return Ok(false);
            }
        }
    }
}
