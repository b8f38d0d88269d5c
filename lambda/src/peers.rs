//! Where the peers of an invocation come from: claimed batches of due peers, or the start of a listing.

use std::time::Duration;

use easytier_probe::{
    Backend, Peer, PeerSource,
    backend::ClaimRequest,
    cycle::{BoxError, SourcePage},
};
use tokio::time::Instant;

/// The maximum number of rounds of checks until a batch is finished: the checks that run when it is claimed, those that
/// wait then, and its own.
const MAX_ROUNDS: u32 = 3;

/// Assumed duration of a claim request.
const CLAIM_TIME: Duration = Duration::from_millis(500);

/// The longest lease that a hub grants.
const MAX_LEASE: Duration = Duration::from_secs(900);

/// Claims peers that are due, batch by batch, as long as their checks can finish in time.
pub struct DuePeers {
    pub backend: Backend,
    /// How long a peer is not due after its check.
    pub interval: Duration,
    /// The number of peers in a batch, which is also how many are checked at the same time.
    pub batch: u32,
    /// The timeout of a check, unless the peer has a longer one.
    pub check_timeout: Duration,
    /// The worst-case extra wait of the other checks: the sum of the longer timeouts, divided by the concurrency.
    pub long_check_delay: Duration,
    /// How many batches were claimed.
    pub claimed: u32,
    /// How many more peers this invocation may claim.
    pub remaining: u32,
    /// The deadline of the invocation, at which its leases end too.
    pub ends: Instant,
}

impl PeerSource for DuePeers {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        let now = Instant::now();
        if self.remaining == 0 || !self.can_finish(deadline.saturating_duration_since(now)) {
            return Ok(None);
        }
        let lease = self.ends.saturating_duration_since(now).as_secs() + 1;
        let request = ClaimRequest {
            count: self.batch.min(self.remaining),
            interval: self.interval,
            lease: Duration::from_secs(lease).min(MAX_LEASE),
        };
        let mut claim = self.backend.claim(request, deadline).await?;
        if claim.peers.is_empty() {
            return Ok(None);
        }
        self.remaining = match claim.more {
            true => self.remaining.saturating_sub(claim.peers.len() as u32),
            false => 0,
        };
        self.cap_timeouts(&mut claim.peers, deadline.saturating_duration_since(Instant::now()));
        self.claimed += 1;
        Ok(Some(SourcePage { peers: claim.peers, skipped: claim.skipped.into() }))
    }
}

impl DuePeers {
    /// The time that checks with the usual timeout need at most until another batch is finished.
    fn usual_time(&self) -> Duration {
        self.check_timeout * (self.claimed + 1).min(MAX_ROUNDS)
    }

    /// Shortens timeouts that are longer than usual to fit into the time that is `left`, so that every claimed peer
    /// gets a verdict.
    fn cap_timeouts(&mut self, peers: &mut [Peer], left: Duration) {
        let usual = self.check_timeout;
        let long = peers.iter_mut().filter_map(|peer| peer.timeout.as_mut()).filter(|timeout| **timeout > usual);
        let long: Vec<&mut Duration> = long.collect();
        // The one that starts last has waited for its share of all others.
        let rounds = 1.0 + long.len() as f64 / f64::from(self.batch);
        let longest = left.saturating_sub(self.usual_time() + self.long_check_delay).div_f64(rounds).max(usual);
        for timeout in long {
            *timeout = longest.min(*timeout);
            self.long_check_delay += *timeout / self.batch;
        }
    }

    /// Whether another batch can be finished in the time that is `left`.
    fn can_finish(&self, left: Duration) -> bool {
        // Long checks occupy places, so the others need one more round.
        let extra =
            if self.long_check_delay.is_zero() { Duration::ZERO } else { self.long_check_delay + self.check_timeout };
        let needed = CLAIM_TIME + self.usual_time() + extra;
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
    /// How many more peers to take.
    pub remaining: u32,
}

impl<S: PeerSource> PeerSource for FirstPeers<S> {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        let mut page = self.peers.next_page(deadline).await?;
        if let Some(page) = &mut page {
            page.peers.truncate(self.remaining as usize);
            self.remaining -= page.peers.len() as u32;
        }
        Ok(page)
    }
}
