//! A peer that is checked on a session that stays open.
//!
//! An outage shows at once, as a closed connection. And the node sees one guest, instead of a join and a leave at every
//! check.

use std::{net::SocketAddr, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, sleep_until};

use super::{
    attempt::OpenSession, checker::Checker, diagnosis::CachedDiagnosis, dial::LinkError, limiter::HeldPermit,
    meter::Meter, options::CheckOptions, outcome::Outcome, rejoin::LastingAnswer, session::PingPlan, span,
    upkeep::Upkeep,
};
use crate::{CheckReport, Failure, FailureCode, Peer, Stage, Status, io_failure::without_route};

/// A time that no session reaches.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A peer, and the session on which it is checked. Dropping it closes the session.
pub struct HeldPeer {
    checker: Checker,
    peer: Peer,
    held: Option<HeldSession>,
    /// Why the node did not answer the last check. Finding that out takes a second session, so it is not done again at
    /// every check.
    diagnosis: Option<CachedDiagnosis>,
    /// What the peer answered, if that is not asked for at every check.
    known: Option<Box<LastingAnswer>>,
    meter: Meter,
}

/// A session that stays open.
struct HeldSession {
    open: OpenSession,
    upkeep: Upkeep,
    place: HeldPermit,
}

impl Checker {
    /// Checks `peer` on a session that stays open. Nothing is opened before the first check.
    pub fn hold(&self, peer: Peer) -> HeldPeer {
        HeldPeer { checker: self.clone(), peer, held: None, diagnosis: None, known: None, meter: Meter::default() }
    }
}

/// There is no session to check the peer on. One must be opened, and the peer checked on it, within this time.
struct Join(Duration);

impl HeldPeer {
    /// The peer.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the session is open, so that the next check is a ping on it.
    pub fn is_open(&self) -> bool {
        self.held.is_some()
    }

    /// Keeps the session alive until `due`, then checks the peer: with a ping on the open session, or by opening one.
    /// When the session ends before `due`, returns a report of the end at once.
    ///
    /// An old session is replaced, and a session at an address that is no longer the peer's is closed. Neither happens
    /// before the new session is open, or the new address has failed. A peer whose answer does not change soon, such as a
    /// refusal, is not joined at every check: the checks between repeat the answer.
    ///
    /// The caller decides when the next check is due, and so how soon a lost session is opened again. The future may be
    /// dropped while it waits for `due`; the session stays open.
    pub async fn next(&mut self, due: Instant) -> CheckReport {
        // Some parsers of other crates panic on bad input. A panic fails this check, and ends the session.
        let outcome = match AssertUnwindSafe(self.check(due)).catch_unwind().await {
            // Boxed, because this future is larger than the state of a held session that waits.
            Ok(Err(Join(timeout))) => Box::pin(self.join(timeout)).await,
            Ok(Ok(outcome)) => {
                if outcome.failure.is_some() || outcome.pings.ended.is_some() {
                    self.held = None;
                }
                outcome
            }
            Err(_panic) => {
                self.held = None;
                Outcome::panicked()
            }
        };
        CheckReport { traffic: self.meter.take(), ..outcome.into_report(&self.peer) }
    }

    async fn check(&mut self, due: Instant) -> Result<Outcome, Join> {
        let timeout = self.checker.timeout_of(&self.peer);
        let Some(held) = &mut self.held else {
            sleep_until(due).await;
            return self.known.as_ref().and_then(|known| known.outcome()).ok_or(Join(timeout));
        };
        if let Err(error) = held.open.session.serve_until(due).await {
            return Ok(session_ended(held.open.address, &error));
        }
        if held.upkeep.is_due()
            && let Some(outcome) = Box::pin(self.look_after(timeout)).await
        {
            return Ok(outcome);
        }
        match &mut self.held {
            Some(held) => {
                let pinged = ping(&mut held.open, timeout, self.checker.options());
                span::traced(&self.peer, pinged, |pinged| pinged.as_ref().ok()).await
            }
            None => Err(Join(timeout)),
        }
    }

    /// Checks the peer by opening a session within `timeout`, and keeps the session when the peer is Online.
    async fn join(&mut self, timeout: Duration) -> Outcome {
        self.held = None;
        let attempting = self.checker.attempt(&self.peer, timeout, &self.meter, &mut self.diagnosis);
        let attempt = span::traced(&self.peer, attempting, |attempt| Some(&attempt.outcome)).await;
        self.known = LastingAnswer::after(&attempt.outcome, self.peer.mode, self.known.take());
        if let Some(open) = attempt.session
            && let Some(place) = self.checker.place_for_session()
        {
            self.keep(open, place);
        }
        attempt.outcome
    }

    fn keep(&mut self, open: OpenSession, place: HeldPermit) {
        let upkeep = Upkeep::of_new_session(self.checker.options().renew_after);
        self.held = Some(HeldSession { open, upkeep, place });
    }

    /// Looks up the peer, and replaces the session when it is old or at an address that the peer no longer has. Meanwhile
    /// the session is served. Returns the outcome of the check, unless the session stays and can be checked.
    async fn look_after(&mut self, timeout: Duration) -> Option<Outcome> {
        let mut held = self.held.take()?;
        let is_old = held.upkeep.is_renewal_due();
        held.upkeep.put_off(self.checker.options().renew_after);

        let resolving = self.checker.resolve(&self.peer, timeout);
        let resolved = match held.open.serve_during(resolving).await {
            Err(error) => return Some(session_ended(held.open.address, &error)),
            Ok(resolved) => resolved,
        };
        let Ok(resolved) = resolved else {
            tracing::debug!(peer = %self.peer.url, "the address of an open session cannot be looked up now");
            self.held = Some(held);
            return None;
        };
        let has_moved = !resolved.leads_to(held.open.transport, held.open.address);
        if !is_old && !has_moved {
            self.held = Some(held);
            return None;
        }

        let joining = self.checker.attempt_at(&self.peer, resolved, timeout, &self.meter, self.diagnosis.as_ref());
        let mut attempt = match held.open.serve_during(joining).await {
            Err(error) => return Some(session_ended(held.open.address, &error)),
            Ok(attempt) => attempt,
        };
        // An attempt that did not come about has found out nothing.
        if attempt.session.is_some() || attempt.diagnosis.is_some() {
            self.diagnosis = attempt.diagnosis.take();
        }
        tracing::debug!(peer = %self.peer.url, has_moved, status = attempt.outcome.status().as_str(), "tried a new session");
        match (attempt.session, attempt.outcome.status()) {
            (Some(open), _) => self.keep(open, held.place),
            (None, Status::Offline) if has_moved => {}
            (None, _) => {
                self.held = Some(held);
                return None;
            }
        }
        Some(attempt.outcome)
    }
}

impl OpenSession {
    /// Serves the session until `work` is done.
    ///
    /// # Errors
    ///
    /// When the session ends before that.
    async fn serve_during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, LinkError> {
        tokio::select! {
            done = work => Ok(done),
            ended = self.session.serve_until(Instant::now() + FOR_EVER) => Err(ended.err().unwrap_or(LinkError::Closed)),
        }
    }
}

/// Checks the peer with a ping on its open session.
async fn ping(open: &mut OpenSession, timeout: Duration, options: &CheckOptions) -> Result<Outcome, Join> {
    let OpenSession { session, address, .. } = open;
    // One pong is enough here, and another ping is sent only when the one before is late.
    let plan = PingPlan { count: options.pings, enough: 1 };
    // A node drops a session without notice when too many of its own pings were lost. Half of the time is kept for
    // opening another.
    let ping_timeout = if session.is_datagram() { timeout / 2 } else { timeout };
    let pings = session.ping(plan, Instant::now() + ping_timeout).await;

    let mut outcome = Outcome::new();
    outcome.record(session, pings);
    outcome.stage = if session.info().is_some() { Stage::Route } else { Stage::Ping };
    if outcome.pings.round_trips.is_empty() {
        outcome.stage = Stage::Ping;
        outcome.failure = Some(match &outcome.pings.ended {
            Some(error) => end_of_session(*address, error),
            None if session.is_datagram() => return Err(Join(timeout - ping_timeout)),
            None => no_pong(*address),
        });
    }
    Ok(outcome)
}

/// The failure of a check whose pings got no answer. It is the probe's when this machine has lost its route to the node.
fn no_pong(address: SocketAddr) -> Failure {
    let message = "the open session gave no answer to pings";
    without_route(address).unwrap_or_else(|| Failure::new(FailureCode::PingTimeout, message))
}

/// The outcome of a check whose session ended.
fn session_ended(address: SocketAddr, error: &LinkError) -> Outcome {
    Outcome::failed(Stage::Ping, end_of_session(address, error))
}

/// The failure of a session that ended. It is the probe's when this machine has lost its route to the node.
fn end_of_session(address: SocketAddr, error: &LinkError) -> Failure {
    if let Some(failure) = without_route(address) {
        return failure;
    }
    match error {
        LinkError::Closed => Failure::new(FailureCode::Closed, "the node closed the open session"),
        LinkError::Network(failure) => failure.clone(),
        LinkError::NotEasytier(received) => {
            Failure::new(FailureCode::NotEasytier, format!("on the open session the node sent {received}"))
        }
    }
}
