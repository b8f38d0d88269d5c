//! Why a node did not answer the handshake.
//!
//! When the secret of a member is wrong, a 2.0 node closes the connection without an answer (over udp: stays silent).
//! It does the same with a network that it does not admit, and so does any other server that cannot read the handshake.
//! A second session as a guest tells these cases apart, because the answer to a guest contains the node's own network
//! name.

use tokio::time::timeout_at;

use super::{
    plan::Plan,
    session::{HandshakeError, Session},
};
use crate::{Access, Failure, FailureCode, Target, Transport};

/// How the handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeFailure {
    /// The node closed the connection.
    Closed,
    /// The node did not answer in time.
    TimedOut,
}

/// What a check found out with more than one session, so that the next one need not. It is valid until the handshake ends
/// in another way.
#[derive(Debug)]
pub(super) enum CachedDiagnosis {
    /// Why there was no answer to the handshake.
    NoAnswer { cause: HandshakeFailure, failure: Failure },
    /// The node's network is in secure mode.
    SecureMode,
}

impl CachedDiagnosis {
    /// The reason for a handshake that fails by `cause`, if it is known.
    fn reason_for(&self, cause: HandshakeFailure) -> Option<&Failure> {
        match self {
            Self::NoAnswer { cause: known, failure } if *known == cause => Some(failure),
            _ => None,
        }
    }
}

/// Whether time must be left for a session as a guest: over udp a wrong secret shows as silence, elsewhere as a closed
/// connection.
pub(super) fn needs_time(target: &Target, access: &Access, known: Option<&CachedDiagnosis>) -> bool {
    let is_known = known.is_some_and(|known| known.reason_for(HandshakeFailure::TimedOut).is_some());
    !is_known && matches!(access, Access::Member(_)) && target.transport == Transport::Udp
}

/// Finds out why `target` did not answer, with at most one more session, and with none when the reason is known.
pub(super) async fn diagnose(
    target: &Target,
    plan: Plan<'_>,
    cause: HandshakeFailure,
    known: Option<&CachedDiagnosis>,
) -> Failure {
    let Access::Member(network) = plan.access else {
        return undiagnosed(target, cause, "it refuses strangers, or it is not EasyTier");
    };
    if let Some(known) = known.and_then(|known| known.reason_for(cause)) {
        return known.clone();
    }
    // Over wg a guest gets no answer at all.
    let closed = cause == HandshakeFailure::Closed && target.transport != Transport::Wg;
    if !closed && !needs_time(target, plan.access, known) {
        return undiagnosed(target, cause, "it refuses this network, or it is not EasyTier");
    }

    tracing::debug!(%target.address, ?cause, "no answer as a member; trying as a guest to find out why");
    let as_guest = async {
        let dialed = plan.dialer.dial(target, &Access::Guest, plan.deadline).await.ok()?;
        let mut opened = Session::open(dialed.link, &Access::Guest).await;
        if let Ok(session) = &mut opened {
            session.stay(plan.deadline).await;
        }
        Some(opened)
    };
    match timeout_at(plan.deadline, as_guest).await {
        Ok(Some(Ok(session))) if session.node_network() == network.network_name => secret_mismatch(),
        Ok(Some(Ok(_))) => {
            let message = "the node answers guests, but its network is not the one given for it";
            Failure::new(FailureCode::NetworkMismatch, message)
        }
        Ok(Some(Err(HandshakeError::NotEasytier(received)))) => not_easytier(received),
        _ => undiagnosed(target, cause, "it refuses both this network and guests, or it is not EasyTier"),
    }
}

/// The member's secret is not that of the node's network.
pub(super) fn secret_mismatch() -> Failure {
    Failure::new(FailureCode::SecretMismatch, "the node's network has the given name, but another secret")
}

/// Instead of an answer to the handshake, `received` arrived.
pub(super) fn not_easytier(received: &str) -> Failure {
    let message = format!("port open, but the server is not EasyTier: it sent {received}");
    Failure::new(FailureCode::NotEasytier, message)
}

fn undiagnosed(target: &Target, cause: HandshakeFailure, reason_to_close: &str) -> Failure {
    match cause {
        HandshakeFailure::Closed => Failure::new(
            FailureCode::Rejected,
            format!("port open, but it closed without an answer to the handshake: {reason_to_close}"),
        ),
        HandshakeFailure::TimedOut if target.transport.is_over_tcp() => {
            Failure::new(FailureCode::HandshakeTimeout, "port open, no EasyTier answer")
        }
        HandshakeFailure::TimedOut => {
            Failure::new(FailureCode::HandshakeTimeout, "connected, no answer to the handshake")
        }
    }
}
