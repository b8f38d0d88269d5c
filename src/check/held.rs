//! A peer that is checked on a session that stays open.
//!
//! An outage shows at once, as a closed connection. And the node sees one guest, instead of a join and a leave at every
//! check.

use std::{net::SocketAddr, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, sleep_until};

use super::{
    attempt::OpenSession, checker::Checker, diagnosis::CachedDiagnosis, dial::LinkError, options::CheckOptions,
    outcome::Outcome, session::PingPlan,
};
use crate::{CheckReport, Failure, FailureCode, Peer, Stage, io_failure::without_route};

/// A peer, and the session on which it is checked. Dropping it closes the session.
pub struct HeldPeer {
    checker: Checker,
    peer: Peer,
    open: Option<OpenSession>,
    /// Why the node did not answer the last check. Finding that out takes a second session, so it is not done again at
    /// every check.
    diagnosis: Option<CachedDiagnosis>,
}

impl Checker {
    /// Checks `peer` on a session that stays open. Nothing is opened before the first check.
    pub fn hold(&self, peer: Peer) -> HeldPeer {
        HeldPeer { checker: self.clone(), peer, open: None, diagnosis: None }
    }
}

/// The session must be replaced, and the peer checked on the new one within this time.
struct Replace(Duration);

impl HeldPeer {
    /// The peer.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the session is open, so that the next check is a ping on it.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Keeps the session alive until `due`, then checks the peer: with a ping on the open session, or by opening one.
    /// When the session ends before `due`, returns a report of the end at once.
    ///
    /// The caller decides when the next check is due, and so how soon a lost session is opened again. The future may be
    /// dropped while it waits for `due`; the session stays open.
    pub async fn next(&mut self, due: Instant) -> CheckReport {
        let timeout = self.checker.timeout_of(&self.peer);
        let Some(open) = &mut self.open else {
            sleep_until(due).await;
            return Box::pin(self.reopen(timeout)).await;
        };
        // Some parsers of other crates panic on bad input. A panic fails this check, and ends the session.
        let check = AssertUnwindSafe(check_open(open, due, timeout, self.checker.options()));
        let outcome = match check.catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Replace(timeout))) => {
                self.open = None;
                return Box::pin(self.reopen(timeout)).await;
            }
            Err(_panic) => Outcome::panicked(),
        };
        if outcome.failure.is_some() || outcome.pings.ended.is_some() {
            self.open = None;
        }
        outcome.into_report(&self.peer)
    }

    /// Checks the peer by opening a session within `timeout`, and keeps the session when the peer is Online.
    async fn reopen(&mut self, timeout: Duration) -> CheckReport {
        let attempt = self.checker.attempt(&self.peer, timeout, &mut self.diagnosis).await;
        self.open = attempt.session;
        attempt.outcome.into_report(&self.peer)
    }
}

/// Serves the session until `due`, then checks the peer with a ping on it.
async fn check_open(
    open: &mut OpenSession,
    due: Instant,
    timeout: Duration,
    options: &CheckOptions,
) -> Result<Outcome, Replace> {
    let OpenSession { session, address, opened_at } = open;
    if let Err(error) = session.serve_until(due).await {
        return Ok(Outcome::failed(Stage::Ping, session_ended(*address, &error)));
    }
    if opened_at.elapsed() >= options.renew_after {
        return Err(Replace(timeout));
    }

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
            Some(error) => session_ended(*address, error),
            None if session.is_datagram() => return Err(Replace(timeout - ping_timeout)),
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

/// The failure of a session that ended. It is the probe's when this machine has lost its route to the node.
fn session_ended(address: SocketAddr, error: &LinkError) -> Failure {
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
