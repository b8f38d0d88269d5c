//! The check of a peer: `resolve → connect → handshake → admit → ping → route`, one file a stage.
//!
//! [`Checker`] ties the stages together: [`Checker::check`] for one shot, [`Checker::hold`] for a session that is kept
//! and pinged. Both go through the same attempt at one address.

mod attempt;
mod diagnosis;
mod dial;
mod held;
mod identity;
mod join_limit;
mod route;
mod session;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::Utc;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;
use uuid::Uuid;

pub use self::held::HeldPeer;
use self::{
    attempt::{Attempt, Question},
    diagnosis::NoAnswer,
    dial::Dialer,
    join_limit::JoinLimit,
    session::PingPlan,
};
use crate::{
    AddressPolicy, CheckReport, CheckResult, Failure, FailureCode, Latency, Peer, Resolver, Stage, Status, Target,
    result::MAX_MESSAGE_CHARS,
};

/// The pause before the next address of a peer is tried beside those that have not answered yet (RFC 8305 names the
/// same for web clients).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// How checks are done.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// The deadline of a whole check, for peers that name none of their own.
    pub timeout: Duration,
    /// Pings of one check.
    pub pings: u32,
    /// The least time between two joins of the same address; zero for no limit.
    pub join_interval: Duration,
    /// The age at which a held session is replaced by a new one.
    pub renew_after: Duration,
    /// Where peers may lie that no person at this machine named.
    pub addresses: AddressPolicy,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            pings: 3,
            join_interval: Duration::from_secs(1),
            renew_after: Duration::from_secs(3600),
            addresses: AddressPolicy { allow_private: true, allow_local: false },
        }
    }
}

/// Checks peers. Cheap to clone; clones share what is shared by checks (resolver, QUIC endpoints, the limit on joins).
///
/// It must be used within a tokio runtime with I/O and time enabled, and opens no thread of its own.
#[derive(Clone)]
pub struct Checker {
    shared: Arc<Shared>,
}

struct Shared {
    options: CheckOptions,
    resolver: Resolver,
    dialer: Dialer,
    joins: JoinLimit,
}

impl Checker {
    /// A checker that resolves names as this machine is configured to.
    pub fn new(options: CheckOptions) -> Self {
        let resolver = Resolver::system(options.addresses);
        Self::with_resolver(options, resolver)
    }

    /// A checker that resolves names by `resolver`.
    pub fn with_resolver(options: CheckOptions, resolver: Resolver) -> Self {
        let joins = JoinLimit::new(options.join_interval);
        Self { shared: Arc::new(Shared { options, resolver, dialer: Dialer::default(), joins }) }
    }

    /// Checks `peer` once. Every outcome is a report, never an error, and comes before the peer's deadline; nothing
    /// that the check opened stays open.
    pub async fn check(&self, peer: &Peer) -> CheckReport {
        let plan = PingPlan { count: self.shared.options.pings, enough: self.shared.options.pings };
        report(peer, self.attempt(peer, self.timeout_of(peer), plan, None).await)
    }

    /// Watches `peer` on a session that is kept open. Nothing is opened before the first check.
    pub fn hold(&self, peer: Peer) -> HeldPeer {
        HeldPeer::new(self.clone(), peer)
    }

    fn timeout_of(&self, peer: &Peer) -> Duration {
        peer.timeout.unwrap_or(self.shared.options.timeout)
    }

    /// Resolves `peer` and tries its addresses.
    async fn attempt(&self, peer: &Peer, timeout: Duration, pings: PingPlan, known: Option<&NoAnswer>) -> Attempt {
        let span = tracing::debug_span!("check", peer = %peer.url);
        // The EasyTier crate panics in places; a panic is a failed check, not a failed probe.
        let attempt = self.resolve_and_attempt(peer, timeout, pings, known);
        let attempt = AssertUnwindSafe(attempt).catch_unwind().instrument(span);
        attempt.await.unwrap_or_else(|_panic| Attempt::panicked())
    }

    async fn resolve_and_attempt(
        &self,
        peer: &Peer,
        timeout: Duration,
        pings: PingPlan,
        known: Option<&NoAnswer>,
    ) -> Attempt {
        let started = Instant::now();
        let deadline = started + timeout;

        let resolving = timeout_at(deadline, self.shared.resolver.resolve(&peer.url, peer.origin)).await;
        let resolve_took = started.elapsed();
        let mut attempt = match resolving {
            Ok(Ok(targets)) => {
                let question = Question {
                    dialer: &self.shared.dialer,
                    access: &peer.access,
                    mode: peer.mode,
                    pings,
                    deadline,
                    timeout,
                    known,
                };
                self.first_online(targets, question).await
            }
            Ok(Err(failure)) => Attempt::failed(Stage::Resolve, failure),
            Err(_) => {
                let words = format!("resolving {} took longer than {} s", peer.url, timeout.as_secs_f64());
                Attempt::failed(Stage::Resolve, Failure::new(FailureCode::DnsFailed, words))
            }
        };
        attempt.timings.set(Stage::Resolve, resolve_took);
        attempt
    }

    /// Tries the addresses, each a little after the one before or as soon as that has failed. The first that is Online
    /// decides; otherwise the one that got furthest.
    async fn first_online(&self, targets: Vec<Target>, question: Question<'_>) -> Attempt {
        // Most peers have one address, and waiting for one of many costs wake-ups.
        let targets = match <[Target; 1]>::try_from(targets) {
            Ok([target]) => return self.attempt_in_turn(target, question).await,
            Err(targets) => targets,
        };
        let mut waiting = targets.into_iter();
        let mut running = FuturesUnordered::new();
        let mut furthest: Option<Attempt> = None;
        loop {
            if let Some(target) = waiting.next() {
                running.push(self.attempt_in_turn(target, question));
            }
            let finished = match waiting.len() {
                0 => running.next().await,
                _ => tokio::select! {
                    finished = running.next() => finished,
                    () = sleep(NEXT_ADDRESS_AFTER) => continue,
                },
            };
            match finished {
                None => {
                    let nothing = Failure::new(FailureCode::ResolverFailed, "no address to connect to");
                    return furthest.unwrap_or_else(|| Attempt::failed(Stage::Resolve, nothing));
                }
                Some(attempt) if attempt.status() == Status::Online => return attempt,
                Some(attempt) => {
                    if furthest.as_ref().is_none_or(|furthest| attempt.says_more_than(furthest)) {
                        furthest = Some(attempt);
                    }
                }
            }
        }
    }

    async fn attempt_in_turn(&self, target: Target, question: Question<'_>) -> Attempt {
        match self.shared.joins.turn(target.address, question.deadline).await {
            Some(_turn) => attempt::attempt(&target, question).await,
            None => {
                let words = format!("other checks of {} took until the deadline", target.address);
                Attempt::failed(Stage::Connect, Failure::new(FailureCode::MissedWindow, words))
            }
        }
    }
}

/// The report of one check that came out as `attempt`.
fn report(peer: &Peer, attempt: Attempt) -> CheckReport {
    let status = attempt.status();
    let latency = Latency::of(&attempt.pings.round_trips, attempt.pings.sent);
    let (error, message) = attempt.failure.map(|failure| (failure.code, failure.message)).unzip();
    let result = CheckResult {
        id: Uuid::now_v7(),
        peer_id: peer.id,
        checked_at: Utc::now(),
        checks: 1,
        healthy: Some(u32::from(status == Status::Online)),
        status,
        response_time: latency.map(|latency| latency.median_ms),
        min_ms: latency.map(|latency| latency.min_ms),
        max_ms: latency.map(|latency| latency.max_ms),
        stage: attempt.stage.unwrap_or(Stage::Resolve),
        error,
        message: message.map(|message| message.chars().take(MAX_MESSAGE_CHARS).collect()),
        version: attempt.info.version,
        hostname: attempt.info.hostname,
        network_count: attempt.info.network_count,
        relay: None,
        relay_error: None,
    };
    CheckReport {
        result,
        url: peer.url.clone(),
        latency,
        timings: attempt.timings,
        is_public_server: attempt.info.is_public_server,
        certificate_expires_at: attempt.certificate_expires_at,
    }
}
