//! Resolving a peer and trying its addresses.

use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, Once},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::{
    attempt::{Attempt, attempt},
    clock::CheckClock,
    diagnosis::CachedDiagnosis,
    dial::Dialer,
    limiter::{HeldPermit, Limiter, NoTurn, Turn},
    meter::Meter,
    options::CheckOptions,
    outcome::Outcome,
    plan::Plan,
    session::PingPlan,
    span,
};
use crate::{
    CheckReport, Failure, FailureCode, Peer, Resolver, Stage, Status, Target, Transport,
    resolve::{DnsAnswers, Resolved},
};

/// The wait before the next address of a peer is tried while earlier ones have not answered (RFC 8305 recommends the same
/// to web clients).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Checks peers. Clones are cheap, and share the resolver, the QUIC endpoints and the limits.
///
/// It must be used within a tokio runtime with I/O and time enabled, and starts no thread.
#[derive(Clone)]
pub struct Checker {
    shared: Arc<Shared>,
}

struct Shared {
    options: CheckOptions,
    resolver: Resolver,
    dialer: Dialer,
    limiter: Limiter,
    warn_of_sockets: Once,
}

/// The addresses of a peer, and how long it took to find them.
pub(super) struct Found {
    pub(super) targets: Vec<Target>,
    answers: DnsAnswers,
    took: Duration,
}

impl Checker {
    /// A checker that resolves names as this machine is configured to.
    pub fn new(options: CheckOptions) -> Self {
        let resolver = Resolver::system(options.addresses);
        Self::with_resolver(options, resolver)
    }

    /// A checker that resolves names with `resolver`.
    pub fn with_resolver(options: CheckOptions, resolver: Resolver) -> Self {
        let dialer = Dialer::new(options.quic_port);
        let limiter = Limiter::new(options.join_interval, options.max_sockets, options.max_checks);
        Self { shared: Arc::new(Shared { options, resolver, dialer, limiter, warn_of_sockets: Once::new() }) }
    }

    /// Waits until the nodes know that the checks have ended, for 300 ms at most. Call this before the process ends or is
    /// suspended: a QUIC connection is closed by a packet that is sent after its check, and old nodes accept nobody else
    /// while they wait for it. The checker can be used again.
    pub async fn wait_closed(&self) {
        self.shared.dialer.wait_closed().await;
    }

    /// Checks `peer` once. Every outcome is a report, never an error. The check ends within the peer's timeout, before which
    /// it waits as long again at most while other checks connect to the same address or use all sockets. It leaves no
    /// connection open.
    pub async fn check(&self, peer: &Peer) -> CheckReport {
        let meter = Meter::default();
        let check = async { self.attempt(peer, self.timeout_of(peer), &meter, &mut None).await.outcome };
        let report = span::traced(peer, check, |outcome| Some(outcome)).await.into_report(peer);
        CheckReport { traffic: meter.take(), ..report }
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.shared.resolver
    }

    /// How many checks can connect at the same time: [`CheckOptions::max_checks`], or fewer where there are too few sockets.
    /// A caller that starts no more than these makes none of them wait for a socket.
    pub fn max_checks(&self) -> usize {
        self.shared.limiter.max_checks()
    }

    pub(super) fn options(&self) -> &CheckOptions {
        &self.shared.options
    }

    /// The time that a check of `peer` may take.
    pub(super) fn timeout_of(&self, peer: &Peer) -> Duration {
        peer.timeout.unwrap_or(self.shared.options.timeout)
    }

    /// Resolves `peer` and tries its addresses. `diagnosis` is the last check's diagnosis of a missing answer; this
    /// check replaces it with its own.
    pub(super) async fn attempt(
        &self,
        peer: &Peer,
        timeout: Duration,
        meter: &Meter,
        diagnosis: &mut Option<CachedDiagnosis>,
    ) -> Attempt {
        let known = diagnosis.take();
        let span = tracing::debug_span!("check", peer = %peer.url);
        // Some parsers of other crates panic on bad input. A panic fails this check, and not the probe.
        let attempting = AssertUnwindSafe(self.resolve_and_attempt(peer, timeout, meter, known.as_ref()));
        let attempted = attempting.catch_unwind().instrument(span).await;
        let mut attempt = attempted.unwrap_or_else(|_panic| Outcome::panicked().into());
        *diagnosis = attempt.diagnosis.take();
        attempt
    }

    async fn resolve_and_attempt(
        &self,
        peer: &Peer,
        timeout: Duration,
        meter: &Meter,
        known: Option<&CachedDiagnosis>,
    ) -> Attempt {
        match self.resolve(peer, timeout).await {
            Ok(found) => self.attempt_at(peer, found, timeout, meter, known).await,
            Err(unresolved) => unresolved.into(),
        }
    }

    /// Resolves `peer` within `timeout`.
    pub(super) async fn resolve(&self, peer: &Peer, timeout: Duration) -> Result<Found, Outcome> {
        let started = Instant::now();
        let resolved = self.shared.resolver.resolve(peer, started + timeout).await;
        let took = started.elapsed();
        let failure = match resolved {
            Ok(Resolved { targets, answers }) => return Ok(Found { targets, answers, took }),
            Err(failure) => failure,
        };
        let mut outcome = Outcome::failed(Stage::Resolve, failure);
        outcome.timings.set(Stage::Resolve, took);
        Err(outcome)
    }

    /// Tries the addresses of `peer`. Resolving is a part of the `timeout`.
    pub(super) async fn attempt_at(
        &self,
        peer: &Peer,
        Found { targets, answers, took }: Found,
        timeout: Duration,
        meter: &Meter,
        known: Option<&CachedDiagnosis>,
    ) -> Attempt {
        let clock = CheckClock::new(timeout, took);
        let attempts = Attempts { shared: &self.shared, peer, meter, known, timeout, clock };
        let mut attempt = attempts.first_online(targets).await;
        attempt.outcome.timings.set(Stage::Resolve, took);
        if attempt.outcome.status() != Status::Online {
            // The node may have another address now.
            self.shared.resolver.forget(&answers);
        }
        attempt
    }

    /// Waits until `target`, at `position` among the addresses of its peer, may be connected to, but not after `until`.
    pub(super) async fn turn(&self, target: &Target, position: usize, until: Instant) -> Result<Turn<'_>, NoTurn> {
        self.shared.limiter.turn(target, position, until).await
    }

    pub(super) fn dialer(&self) -> &Dialer {
        &self.shared.dialer
    }

    /// The place for one more session that stays open; `None` if the sockets do not suffice.
    pub(super) fn place_for_session(&self) -> Option<HeldPermit> {
        let place = self.shared.limiter.hold();
        if place.is_none() {
            self.shared.warn_of_sockets.call_once(|| {
                tracing::warn!(
                    sessions = self.shared.limiter.max_held(),
                    "no more sessions can stay open, so the other peers are joined anew at every check; raise this \
                     process's limit of open files"
                );
            });
        }
        place
    }
}

impl Found {
    /// Whether `address` is among the addresses of the peer.
    pub fn leads_to(&self, transport: Transport, address: SocketAddr) -> bool {
        self.targets.iter().any(|target| (target.transport, target.address) == (transport, address))
    }
}

/// The attempts of one check at the addresses of a peer.
struct Attempts<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    meter: &'a Meter,
    known: Option<&'a CachedDiagnosis>,
    timeout: Duration,
    clock: CheckClock,
}

impl Attempts<'_> {
    /// Tries the addresses, each a little after the one before, or as soon as that has failed. The first that is Online
    /// decides; if none is, the most informative failure does.
    async fn first_online(&self, targets: Vec<Target>) -> Attempt {
        // Most peers have one address, and polling a set of futures costs more.
        let targets = match <[Target; 1]>::try_from(targets) {
            Ok([target]) => return self.attempt_in_turn(0, target).await,
            Err(targets) => targets,
        };
        let mut waiting = targets.into_iter().enumerate();
        let mut running = FuturesUnordered::new();
        let mut best: Option<Attempt> = None;
        loop {
            if let Some((position, target)) = waiting.next() {
                running.push(self.attempt_in_turn(position, target));
            }
            let finished = match waiting.len() {
                0 => running.next().await,
                _ => tokio::select! {
                    finished = running.next() => finished,
                    () = sleep(NEXT_ADDRESS_DELAY) => continue,
                },
            };
            match finished {
                None => {
                    let failure = Failure::new(FailureCode::ResolverFailed, "no address to connect to");
                    return best.unwrap_or_else(|| Outcome::failed(Stage::Resolve, failure).into());
                }
                Some(attempt) if attempt.outcome.status() == Status::Online => return attempt,
                Some(attempt) => {
                    if best.as_ref().is_none_or(|best| attempt.outcome.decides_before(&best.outcome)) {
                        best = Some(attempt);
                    }
                }
            }
        }
    }

    /// Waits until the address at `position` among those of the peer may be connected to, then tries it.
    async fn attempt_in_turn(&self, position: usize, target: Target) -> Attempt {
        let asked_at = Instant::now();
        let _turn = match self.shared.limiter.turn(&target, position, self.clock.turn_deadline()).await {
            Ok(turn) => turn,
            Err(reason) => return missed(&target, reason),
        };
        let Some(share) = self.clock.start_attempt(asked_at) else { return missed(&target, NoTurn::Address) };
        let plan = Plan {
            dialer: &self.shared.dialer,
            meter: self.meter,
            access: &self.peer.access,
            mode: self.peer.mode,
            pings: self.shared.pings(),
            deadline: share.deadline,
        };
        let time = share.deadline.saturating_duration_since(Instant::now());
        let mut attempt = attempt(&target, plan, self.known).await;
        if share.is_short {
            attempt.outcome.excuse_timeout(time, self.timeout);
        }
        attempt
    }
}

/// An attempt that did not come about.
fn missed(target: &Target, reason: NoTurn) -> Attempt {
    Outcome::failed(Stage::Connect, reason.failure(target)).into()
}

impl Shared {
    /// The pings of a check that opens a session.
    fn pings(&self) -> PingPlan {
        PingPlan { count: self.options.pings, enough: self.options.pings }
    }
}
