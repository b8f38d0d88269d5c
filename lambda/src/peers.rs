//! Where the peers of an invocation come from: leased batches of what is due, or the first of a listing.

use std::time::Duration;

use easytier_probe::{
    Backend, Peer, PeerSource,
    backend::ClaimRequest,
    cycle::{BoxError, SourcePage},
};
use tokio::time::Instant;

/// The rounds of checks until a batch is done, at most: those that run when it is claimed, those that wait, and its own.
const ROUNDS: u32 = 3;

/// What claiming takes.
const CLAIMING: Duration = Duration::from_millis(500);

/// The longest lease that the contract knows.
const LONGEST_LEASE: Duration = Duration::from_secs(900);

/// What is due at a backend.
pub struct DuePeers {
    pub backend: Backend,
    /// How long a checked peer is not due.
    pub interval: Duration,
    /// Peers of one batch: as many as are checked at the same time.
    pub batch: u32,
    /// The deadline of one check, unless a peer has a longer one.
    pub check_timeout: Duration,
    /// What checks with a longer deadline can take in all, spread over those that run at the same time: by so much they
    /// can delay the others.
    pub delay: Duration,
    /// Batches that were claimed.
    pub claimed: u32,
    /// How many more this invocation may take.
    pub left: u32,
    /// When the invocation is over, and its leases with it.
    pub ends: Instant,
}

impl PeerSource for DuePeers {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        let now = Instant::now();
        if self.left == 0 || !self.can_finish(deadline.saturating_duration_since(now)) {
            return Ok(None);
        }
        let rest = self.ends.saturating_duration_since(now).as_secs() + 1;
        let wanted = ClaimRequest {
            count: self.batch.min(self.left),
            interval: self.interval,
            lease: Duration::from_secs(rest).min(LONGEST_LEASE),
        };
        let mut claim = self.backend.claim(wanted, deadline).await?;
        if claim.peers.is_empty() {
            return Ok(None);
        }
        self.left = match claim.more {
            true => self.left.saturating_sub(claim.peers.len() as u32),
            false => 0,
        };
        self.shorten(&mut claim.peers, deadline.saturating_duration_since(Instant::now()));
        self.claimed += 1;
        Ok(Some(SourcePage { peers: claim.peers, skipped: claim.skipped.into() }))
    }
}

impl DuePeers {
    /// What checks with the usual deadline can take until another batch is done.
    fn usual(&self) -> Duration {
        self.check_timeout * (self.claimed + 1).min(ROUNDS)
    }

    /// Gives the checks of a batch no longer deadlines than there is time for in what is `left`: a peer that is claimed is
    /// judged.
    fn shorten(&mut self, peers: &mut [Peer], left: Duration) {
        let usual = self.check_timeout;
        let longer = peers.iter_mut().filter_map(|peer| peer.timeout.as_mut()).filter(|timeout| **timeout > usual);
        let longer: Vec<&mut Duration> = longer.collect();
        // One that starts last has waited for its share of all others.
        let delaying = 1.0 + longer.len() as f64 / f64::from(self.batch);
        let longest = left.saturating_sub(self.usual() + self.delay).div_f64(delaying).max(usual);
        for timeout in longer {
            *timeout = longest.min(*timeout);
            self.delay += *timeout / self.batch;
        }
    }

    /// Whether another batch would be done by the time that is left for checks.
    fn can_finish(&self, left: Duration) -> bool {
        // The places that long checks hold make one round more of the others.
        let more = if self.delay.is_zero() { Duration::ZERO } else { self.delay + self.check_timeout };
        let needed = CLAIMING + self.usual() + more;
        if left < needed && self.claimed == 0 {
            tracing::warn!(
                "nothing is checked: {left:.1?} is left for checks, which can take {needed:.1?}; give the \
                 function a longer timeout, or set a shorter HEALTH_CHECK_TIMEOUT"
            );
        }
        left >= needed
    }
}

/// The first peers of another source.
pub struct FirstPeers<S> {
    pub peers: S,
    /// How many more are taken.
    pub left: u32,
}

impl<S: PeerSource> PeerSource for FirstPeers<S> {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
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
