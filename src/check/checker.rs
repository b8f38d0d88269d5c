//! Resolving a peer and trying its addresses.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::{
    attempt::{Attempt, attempt},
    diagnosis::CachedDiagnosis,
    dial::Dialer,
    join_limit::JoinLimit,
    options::CheckOptions,
    outcome::Outcome,
    plan::Plan,
    session::PingPlan,
};
use crate::{CheckReport, Failure, FailureCode, Peer, Resolver, Stage, Status, Target, resolve::Resolved};

/// The wait before the next address of a peer is tried while earlier ones have not answered (RFC 8305 recommends the same
/// to web clients).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Checks peers. Clones are cheap, and share the resolver, the QUIC endpoints and the limit on joins.
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
    joins: JoinLimit,
}

impl Checker {
    /// A checker that resolves names as this machine is configured to.
    pub fn new(options: CheckOptions) -> Self {
        let resolver = Resolver::system(options.addresses);
        Self::with_resolver(options, resolver)
    }

    /// A checker that resolves names with `resolver`.
    pub fn with_resolver(options: CheckOptions, resolver: Resolver) -> Self {
        let joins = JoinLimit::new(options.join_interval);
        let dialer = Dialer::new(options.quic_port);
        Self { shared: Arc::new(Shared { options, resolver, dialer, joins }) }
    }

    /// Waits until the nodes know that the checks have ended, for 300 ms at most. Call this before the process ends or is
    /// suspended: a QUIC connection is closed by a packet that is sent after its check, and old nodes accept nobody else
    /// while they wait for it. The checker can be used again.
    pub async fn wait_closed(&self) {
        self.shared.dialer.wait_closed().await;
    }

    /// Checks `peer` once. Every outcome is a report, never an error. The check ends before the peer's timeout, and
    /// leaves no connection open.
    pub async fn check(&self, peer: &Peer) -> CheckReport {
        let attempt = self.attempt(peer, self.timeout_of(peer), &mut None).await;
        attempt.outcome.into_report(peer)
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.shared.resolver
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
        diagnosis: &mut Option<CachedDiagnosis>,
    ) -> Attempt {
        let known = diagnosis.take();
        let span = tracing::debug_span!("check", peer = %peer.url);
        // Some parsers of other crates panic on bad input. A panic fails this check, and not the probe.
        let attempting = AssertUnwindSafe(self.resolve_and_attempt(peer, timeout, known.as_ref()));
        let attempted = attempting.catch_unwind().instrument(span).await;
        let mut attempt = attempted.unwrap_or_else(|_panic| Outcome::panicked().into());
        *diagnosis = attempt.diagnosis.take();
        attempt
    }

    async fn resolve_and_attempt(&self, peer: &Peer, timeout: Duration, known: Option<&CachedDiagnosis>) -> Attempt {
        let started = Instant::now();
        let deadline = started + timeout;
        let resolved = self.shared.resolver.resolve(peer, deadline).await;
        let resolve_took = started.elapsed();

        let mut attempt = match resolved {
            Ok(Resolved { targets, answers }) => {
                let pings = self.shared.options.pings;
                let plan = Plan {
                    dialer: &self.shared.dialer,
                    access: &peer.access,
                    mode: peer.mode,
                    pings: PingPlan { count: pings, enough: pings },
                    deadline,
                    timeout,
                };
                let attempt = self.first_online(targets, plan, known).await;
                if attempt.outcome.status() != Status::Online {
                    // The node may have another address now.
                    self.shared.resolver.forget(&answers);
                }
                attempt
            }
            Err(failure) => Outcome::failed(Stage::Resolve, failure).into(),
        };
        attempt.outcome.timings.set(Stage::Resolve, resolve_took);
        attempt
    }

    /// Tries the addresses, each a little after the one before, or as soon as that has failed. The first that is Online
    /// decides; if none is, the most informative failure does.
    async fn first_online(&self, targets: Vec<Target>, plan: Plan<'_>, known: Option<&CachedDiagnosis>) -> Attempt {
        // Most peers have one address, and polling a set of futures costs more.
        let targets = match <[Target; 1]>::try_from(targets) {
            Ok([target]) => return self.attempt_in_turn(target, plan, known).await,
            Err(targets) => targets,
        };
        let mut waiting = targets.into_iter();
        let mut running = FuturesUnordered::new();
        let mut best: Option<Attempt> = None;
        loop {
            if let Some(target) = waiting.next() {
                running.push(self.attempt_in_turn(target, plan, known));
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
                    if best.as_ref().is_none_or(|best| attempt.outcome.tells_more_than(&best.outcome)) {
                        best = Some(attempt);
                    }
                }
            }
        }
    }

    async fn attempt_in_turn(&self, target: Target, plan: Plan<'_>, known: Option<&CachedDiagnosis>) -> Attempt {
        match self.shared.joins.acquire(target.address, plan.deadline).await {
            Some(_permit) => attempt(&target, plan, known).await,
            None => {
                let message = format!("other checks of {} took until the deadline", target.address);
                Outcome::failed(Stage::Connect, Failure::new(FailureCode::MissedWindow, message)).into()
            }
        }
    }
}
