//! Where the peers of an invocation come from: claimed batches of due peers, or the start of a listing. While the hub is
//! away, both give peers that it gave before.

use std::{sync::Arc, time::Duration};

use easytier_probe::{
    Backend, BackendError, Peer, PeerSource,
    backend::ClaimRequest,
    cycle::{BackendPeers, BoxError, SourcePage},
};
use tokio::time::Instant;

use crate::known::KnownPeers;

/// The maximum number of rounds of checks until a batch is finished: the checks that run when it is claimed, those that
/// wait then, and its own.
const MAX_ROUNDS: u32 = 3;

/// Assumed duration of a claim request.
const CLAIM_TIME: Duration = Duration::from_millis(500);

/// The longest lease that a hub grants.
const MAX_LEASE: Duration = Duration::from_secs(900);

/// While peers are known, the hub has this fraction of the time for checks to answer: one quarter.
const PATIENCE_DIVISOR: u32 = 4;

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
    /// What the hub gave before.
    pub known: Arc<KnownPeers>,
    /// Whether the hub did not answer, so that known peers are checked.
    pub hub_is_away: bool,
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
        let mut batch = self.batch(request, deadline).await?;
        if batch.peers.is_empty() {
            return Ok(None);
        }
        self.remaining = match batch.more {
            true => self.remaining.saturating_sub(batch.peers.len() as u32),
            false => 0,
        };
        self.cap_timeouts(&mut batch.peers, deadline.saturating_duration_since(Instant::now()));
        self.claimed += 1;
        Ok(Some(SourcePage { peers: batch.peers, skipped: batch.skipped.into() }))
    }
}

/// Peers to check.
#[derive(Default)]
struct Batch {
    peers: Vec<Peer>,
    skipped: u32,
    /// Whether there may be more.
    more: bool,
}

impl DuePeers {
    /// Claims the next batch; while the hub is away, takes it from the known peers.
    async fn batch(&mut self, request: ClaimRequest, deadline: Instant) -> Result<Batch, BackendError> {
        if self.hub_is_away {
            return Ok(self.known_batch(request));
        }
        let error = match self.backend.claim(request, patience(&self.known, deadline)).await {
            Ok(claim) => {
                self.known.remember(&claim.peers, Instant::now());
                return Ok(Batch { peers: claim.peers, skipped: claim.skipped, more: claim.more });
            }
            Err(error) => error,
        };
        // The attempt took some of the time.
        let may_check =
            self.claimed == 0 && is_away(&error) && self.can_finish(deadline.saturating_duration_since(Instant::now()));
        let batch = if may_check { self.known_batch(request) } else { Batch::default() };
        if batch.peers.is_empty() {
            return Err(error);
        }
        log_outage(&error);
        self.hub_is_away = true;
        Ok(batch)
    }

    /// The next batch of known peers that are due.
    fn known_batch(&self, request: ClaimRequest) -> Batch {
        let peers = self.known.take_due(request.count as usize, self.interval, Instant::now());
        Batch { more: !peers.is_empty(), peers, skipped: 0 }
    }

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

/// The time until which the hub may answer: if it does not, there is time left to check the known peers.
fn patience(known: &KnownPeers, deadline: Instant) -> Instant {
    let now = Instant::now();
    match known.is_empty() {
        true => deadline,
        false => now + deadline.saturating_duration_since(now) / PATIENCE_DIVISOR,
    }
}

/// Whether the hub is away. Refused credentials are a different matter, because somebody has to replace them.
fn is_away(error: &BackendError) -> bool {
    !error.is_unauthorized() && !error.is_final()
}

fn log_outage(error: &BackendError) {
    tracing::warn!("{error}; the peers that the hub gave this function before are checked");
}

/// The first peers of the listing.
pub struct FirstPeers {
    pub listing: BackendPeers,
    /// How many more peers to take.
    pub remaining: u32,
    /// What the hub gave before.
    pub known: Arc<KnownPeers>,
    /// Whether a page was fetched.
    pub has_answered: bool,
}

impl PeerSource for FirstPeers {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        let until = if self.has_answered { deadline } else { patience(&self.known, deadline) };
        match self.listing.next_page(until).await {
            Ok(Some(mut page)) => {
                self.has_answered = true;
                page.peers.truncate(self.remaining as usize);
                self.remaining -= page.peers.len() as u32;
                self.known.remember(&page.peers, Instant::now());
                Ok(Some(page))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                let cause = error.downcast_ref::<BackendError>().filter(|error| !self.has_answered && is_away(error));
                let Some(cause) = cause else { return Err(error) };
                let peers = self.known.take_due(self.remaining as usize, Duration::ZERO, Instant::now());
                if peers.is_empty() {
                    return Err(error);
                }
                log_outage(cause);
                self.remaining = 0;
                Ok(Some(SourcePage { peers, skipped: 0 }))
            }
        }
    }
}
