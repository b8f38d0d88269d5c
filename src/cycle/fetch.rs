//! The first part of a cycle: peers from their source.

use std::time::Duration;

use tokio::{
    sync::mpsc::Sender,
    time::{Instant, timeout_at},
};

use super::seams::{BoxError, PeerSource};
use crate::Peer;

#[derive(Default)]
pub(super) struct Fetched {
    pub took: Duration,
    /// Peers that were listed and not handed on.
    pub skipped: u64,
    /// Whether the source came to its end.
    pub complete: bool,
    pub error: Option<BoxError>,
}

/// Hands on the peers of `source` as fast as they are taken, until it ends, fails, or `check_by` passes.
pub(super) async fn fetch(source: &mut impl PeerSource, peers: Sender<Peer>, check_by: Instant) -> Fetched {
    let started = Instant::now();
    let mut fetched = Fetched::default();
    loop {
        let page = match timeout_at(check_by, source.next_page(check_by)).await {
            Err(_) => break,
            Ok(Ok(Some(page))) => page,
            Ok(Ok(None)) => {
                fetched.complete = true;
                break;
            }
            Ok(Err(error)) => {
                fetched.error = Some(error);
                break;
            }
        };
        fetched.skipped += page.skipped;
        let mut page = page.peers.into_iter();
        while let Some(peer) = page.next() {
            if !matches!(timeout_at(check_by, peers.send(peer)).await, Ok(Ok(()))) {
                fetched.skipped += 1 + page.len() as u64;
                return fetched;
            }
        }
    }
    fetched.took = started.elapsed();
    fetched
}
