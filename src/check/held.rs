//! A peer watched on a session that stays open.
//!
//! An outage shows as a closed connection at once, and the node sees one guest instead of a join and a leave at every
//! check.

use std::{net::SocketAddr, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, sleep_until};

use super::{
    Checker,
    attempt::Attempt,
    diagnosis::NoAnswer,
    dial::{LinkError, without_route},
    report,
    session::{PingPlan, Session},
};
use crate::{CheckReport, Failure, FailureCode, Peer, Stage, result::NodeInfo};

/// A peer, and the session on which it is watched. Dropping it closes the session.
pub struct HeldPeer {
    checker: Checker,
    peer: Peer,
    open: Option<Open>,
    /// Why the node gave the last check no answer: that is looked into with a second session when it is new, not at
    /// every check.
    no_answer: Option<NoAnswer>,
}

struct Open {
    session: Session,
    address: SocketAddr,
    since: Instant,
}

impl HeldPeer {
    pub(super) fn new(checker: Checker, peer: Peer) -> Self {
        Self { checker, peer, open: None, no_answer: None }
    }

    /// The peer as it is watched.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the session is open, so that the next check is a ping on it.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Keeps the session alive until `due`, then checks the peer: with a ping on the open session, or by opening one.
    /// When the session ends before `due`, the report of that comes at once.
    ///
    /// The caller decides when the next check is due, and so how fast a lost session is opened again. The future may be
    /// dropped while it waits; the session is kept.
    pub async fn next(&mut self, due: Instant) -> CheckReport {
        match self.open {
            // The crates that take the packets apart may panic; that is a failed check, and the session's end.
            Some(_) => match AssertUnwindSafe(self.check_open(due)).catch_unwind().await {
                Ok(report) => report,
                Err(_panic) => {
                    self.open = None;
                    report(&self.peer, Attempt::panicked())
                }
            },
            None => {
                sleep_until(due).await;
                Box::pin(self.check_anew(self.timeout())).await
            }
        }
    }

    fn timeout(&self) -> Duration {
        self.checker.timeout_of(&self.peer)
    }

    async fn check_open(&mut self, due: Instant) -> CheckReport {
        let timeout = self.timeout();
        let options = &self.checker.shared.options;
        let open = self.open.as_mut().expect("called with an open session");
        let address = open.address;
        if let Err(error) = open.session.serve_until(due).await {
            self.open = None;
            return report(&self.peer, Attempt::failed(Stage::Ping, ended(address, &error)));
        }
        if open.since.elapsed() >= options.renew_after {
            self.open = None;
            return Box::pin(self.check_anew(timeout)).await;
        }

        // One pong is enough here, and the next ping is sent only when the one before is late.
        let plan = PingPlan { count: options.pings, enough: 1 };
        // A node forgets a session when too many of its own pings were lost: then half the time is for another.
        let forgotten = open.session.may_be_forgotten();
        let patience = if forgotten { timeout / 2 } else { timeout };
        let mut attempt = Attempt::default();
        let pings = open.session.ping(plan, Instant::now() + patience).await;
        attempt.note(&open.session, pings);
        attempt.stage = Some(if attempt.info == NodeInfo::default() { Stage::Ping } else { Stage::Route });
        if attempt.pings.round_trips.is_empty() {
            attempt.stage = Some(Stage::Ping);
            attempt.failure = Some(match &attempt.pings.ended {
                Some(error) => ended(address, error),
                None if forgotten => {
                    self.open = None;
                    return Box::pin(self.check_anew(timeout - patience)).await;
                }
                None => no_pong(address),
            });
        }
        if attempt.failure.is_some() || attempt.pings.ended.is_some() {
            self.open = None;
        }
        report(&self.peer, attempt)
    }

    /// Checks by opening a session within `timeout`, and keeps it when the peer is Online.
    async fn check_anew(&mut self, timeout: Duration) -> CheckReport {
        let pings = self.checker.shared.options.pings;
        let plan = PingPlan { count: pings, enough: pings };
        let mut attempt = self.checker.attempt(&self.peer, timeout, plan, self.no_answer.as_ref()).await;
        self.no_answer = attempt.no_answer.take();
        self.open = attempt.session.take().map(|(address, session)| Open { session, address, since: Instant::now() });
        report(&self.peer, attempt)
    }
}

/// Why there was no answer to pings, unless this machine has lost its way to the node.
fn no_pong(address: SocketAddr) -> Failure {
    let words = "the open session gave no answer to pings";
    without_route(address).unwrap_or_else(|| Failure::new(FailureCode::PingTimeout, words))
}

/// Why the session ended, unless this machine has lost its way to the node.
fn ended(address: SocketAddr, error: &LinkError) -> Failure {
    if let Some(own) = without_route(address) {
        return own;
    }
    match error {
        LinkError::Closed => Failure::new(FailureCode::Closed, "the node closed the open session"),
        LinkError::NotEasytier(what) => {
            Failure::new(FailureCode::NotEasytier, format!("on the open session came {what}"))
        }
    }
}
