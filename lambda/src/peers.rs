//! Where the peers of an invocation come from: leased batches of what is due, or the first of a listing.

use std::time::Duration;

use easytier_probe::{
    Backend, PeerSource,
    backend::ClaimRequest,
    cycle::{BoxError, Page},
};
use tokio::time::Instant;

/// How many rounds of checks may be ahead of a batch when it is claimed: those that run, those that wait, and its own.
const ROUNDS: u32 = 3;

/// The longest lease that the contract knows.
const LONGEST_LEASE: Duration = Duration::from_secs(900);

/// What is due at a backend.
pub struct DuePeers {
    pub backend: Backend,
    /// How long a checked peer is not due.
    pub interval: Duration,
    /// Peers of one batch: as many as are checked at the same time.
    pub batch: u32,
    /// The deadline of one check.
    pub check_timeout: Duration,
    /// How many more this invocation may take.
    pub left: u32,
    /// When the invocation is over, and its leases with it.
    pub ends: Instant,
}

impl PeerSource for DuePeers {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<Page>, BoxError> {
        let now = Instant::now();
        let needed = self.check_timeout * ROUNDS;
        if self.left == 0 || deadline.saturating_duration_since(now) < needed {
            return Ok(None);
        }
        let rest = self.ends.saturating_duration_since(now).as_secs() + 1;
        let wanted = ClaimRequest {
            count: self.batch.min(self.left),
            interval: self.interval,
            lease: Duration::from_secs(rest).min(LONGEST_LEASE),
        };
        let claim = self.backend.claim(wanted, deadline).await?;
        if claim.peers.is_empty() {
            return Ok(None);
        }
        self.left = match claim.more {
            true => self.left.saturating_sub(claim.peers.len() as u32),
            false => 0,
        };
        Ok(Some(Page { peers: claim.peers, skipped: claim.skipped.into() }))
    }
}

/// The first peers of another source.
pub struct FirstPeers<S> {
    pub peers: S,
    /// How many more are taken.
    pub left: u32,
}

impl<S: PeerSource> PeerSource for FirstPeers<S> {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<Page>, BoxError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut page = self.peers.next_page(deadline).await?;
        if let Some(page) = &mut page {
            page.peers.truncate(self.left as usize);
            self.left -= page.peers.len() as u32;
        }
        Ok(page)
    }
}
