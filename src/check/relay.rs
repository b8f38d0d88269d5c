//! Whether a node relays data between its guests: two sessions of one throw-away network send each other a nonce.
//!
//! Nodes refuse silently, so what comes back is the only proof. Since 2.6 a node also says in its route information that it
//! refuses.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{
    checker::{Checker, Found},
    dial::{Dialer, LinkError},
    identity::Identity,
    meter::Meter,
    outcome::Outcome,
    session::{HandshakeError, PingPlan, Relayed, Session, relayed},
};
use crate::{
    Access, CheckReport, Peer, Target,
    result::{Relay, RelayTest},
};

/// How long the first session stays after the second one has left. Nodes of 2.0 crash when both leave a network at once: what
/// removes one guest finds the network gone that the other one's removal ended (`clear_no_conn_peer` in EasyTier 2.0.3).
const LEAVE_APART: Duration = Duration::from_secs(1);

impl Checker {
    /// Checks `peer` once, and then tests whether its node relays data, unless the check shows that there is nothing to test: the
    /// peer is not Online, or is checked as a member, or says that it refuses.
    pub async fn check_with_relay(&self, peer: &Peer) -> CheckReport {
        let mut report = self.check(peer).await;
        if report.result.leaves_relay_open() && peer.access == Access::Guest {
            report.result.add_relay(self.test_relay(peer).await);
        }
        report
    }

    /// Tests whether the node of `peer` relays data between two of its guests. It opens two sessions, and closes them. The
    /// test ends within twice the timeout of the peer, in which it also waits while checks connect to the same address.
    ///
    /// A peer that is checked as a member cannot be tested: a node always forwards the data of its own network.
    pub async fn test_relay(&self, peer: &Peer) -> RelayTest {
        self.test_relay_until(peer, Instant::now() + self.timeout_of(peer) * 2).await
    }

    /// As [`test_relay`](Self::test_relay), but not after `end`. A test should not be cancelled instead: old nodes may crash when
    /// both sessions are closed at once.
    pub async fn test_relay_until(&self, peer: &Peer, end: Instant) -> RelayTest {
        if matches!(peer.access, Access::Member(_)) {
            return RelayTest::failed("only nodes for guests are tested: a node forwards the data of its own network");
        }
        // Some parsers of other crates panic on bad input. A panic fails this test, and not the probe.
        let test = AssertUnwindSafe(self.resolve_and_test_relay(peer, end)).catch_unwind();
        let span = tracing::debug_span!("relay", peer = %peer.url);
        let test = test.instrument(span.clone()).await;
        let test = test.unwrap_or_else(|_panic| RelayTest::failed("the test panicked; please report this"));
        span.in_scope(|| tracing::debug!(?test, "tested whether it relays"));
        test
    }

    async fn resolve_and_test_relay(&self, peer: &Peer, end: Instant) -> RelayTest {
        let timeout = self.timeout_of(peer).min(end.saturating_duration_since(Instant::now()));
        let Found { targets, .. } = match self.resolve(peer, timeout).await {
            Ok(found) => found,
            Err(unresolved) => return RelayTest::failed(reason(unresolved)),
        };
        let mut test = RelayTest::failed("no address to connect to");
        for (position, target) in targets.iter().enumerate() {
            let until = || end.min(Instant::now() + timeout);
            let _turn = match self.turn(target, position, until()).await {
                Ok(turn) => turn,
                Err(reason) => {
                    test = RelayTest::failed(reason.failure(target).message);
                    continue;
                }
            };
            test = test_at(target, self.dialer(), until()).await;
            if test.verdict != Relay::Failed {
                break;
            }
        }
        test
    }
}

fn reason(outcome: Outcome) -> String {
    outcome.failure.map_or_else(String::new, |failure| failure.message)
}

async fn test_at(target: &Target, dialer: &Dialer, end: Instant) -> RelayTest {
    let network = Identity::guest();
    let Some(deadline) = end.checked_sub(LEAVE_APART).filter(|deadline| *deadline > Instant::now()) else {
        return RelayTest::failed("no time was left");
    };
    let mut one = match guest(&network, target, dialer, deadline).await {
        Ok(session) => session,
        Err(message) => return RelayTest::failed(message),
    };
    // A node may refuse two that join at once, so this one joins when the first is admitted.
    let tested = match guest(&network, target, dialer, deadline).await {
        Ok(mut other) => {
            let tested = relayed(&mut one, &mut other, deadline).await;
            other.stay(deadline).await;
            drop(other);
            // It may be closed already.
            let _ = one.serve_until(Instant::now() + LEAVE_APART).await;
            tested
        }
        Err(message) => {
            // Another one was there for a moment, perhaps.
            let _ = one.serve_until(Instant::now() + LEAVE_APART).await;
            return RelayTest::failed(format!("with a second session: {message}"));
        }
    };
    match tested {
        Ok(Relayed::Data(round_trip)) => RelayTest { verdict: Relay::Ok, round_trip: Some(round_trip), message: None },
        _ if one.info().is_some_and(|info| info.refuses_relay) => RelayTest::refused_by_its_word(),
        Ok(Relayed::CallsOnly) => {
            RelayTest::refused("the node drops data between two guests, and forwards their remote procedure calls")
        }
        Ok(Relayed::Nothing) => RelayTest::failed("nothing that one guest sent to another arrived"),
        Err(error) => RelayTest::failed(ended(&error)),
    }
}

/// A session in this network that the node serves; otherwise why there is none.
async fn guest(network: &Identity, target: &Target, dialer: &Dialer, deadline: Instant) -> Result<Session, String> {
    // A test is no check of the peer.
    let meter = Meter::default();
    let dialed = dialer.dial(target, &Access::Guest, &meter, deadline).await.map_err(|error| error.failure.message)?;
    let opened = timeout_at(deadline, Session::open_as_guest(dialed.link, network.clone())).await;
    let mut session = match opened {
        Ok(Ok(session)) => session,
        Ok(Err(HandshakeError::Network(failure))) => return Err(failure.message),
        Ok(Err(_)) => return Err("the node refuses the handshake of a guest".to_owned()),
        Err(_) => return Err("no answer to the handshake".to_owned()),
    };
    let pings = session.ping(PingPlan::ONE, deadline).await;
    match pings.ended {
        Some(error) => Err(ended(&error)),
        None if !session.is_admitted() => Err("no answer to a ping".to_owned()),
        None => Ok(session),
    }
}

fn ended(error: &LinkError) -> String {
    match error {
        LinkError::Closed => "the node closed the session".to_owned(),
        LinkError::Network(failure) => failure.message.clone(),
        LinkError::NotEasytier(received) => format!("the node sent {received}"),
    }
}
