//! Why a node did not answer the handshake.
//!
//! When the secret of a member is wrong, a 2.0 node closes the connection without an answer (over udp: stays silent).
//! It does the same with a network that it does not admit, and so does any other server that cannot read the handshake.
//! A second session as a guest tells these cases apart, because the answer to a guest contains the node's own network
//! name. Newer nodes answer everybody, but over QUIC an answer may get lost; such a node may be in secure mode as well.

use tokio::time::timeout_at;

use super::{
    plan::Plan,
    session::{HandshakeError, PingPlan, Session},
};
use crate::{Access, Failure, FailureCode, Target, Transport};

/// How the handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeFailure {
    /// The node closed the connection.
    Closed,
    /// The node closed the connection, and its answer got lost.
    AnswerLost,
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

/// Why a node did not answer a member.
pub(super) struct Diagnosis {
    pub failure: Failure,
    /// Whether it is something else if the node completes the handshake of secure mode.
    pub may_be_secure_mode: bool,
}

impl From<Failure> for Diagnosis {
    fn from(failure: Failure) -> Self {
        Self { failure, may_be_secure_mode: false }
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
) -> Diagnosis {
    let Access::Member(network) = plan.access else {
        return undiagnosed(target, cause, "it refuses strangers, or it is not EasyTier").into();
    };
    if let Some(known) = known.and_then(|known| known.reason_for(cause)) {
        return known.clone().into();
    }
    // Over wg a guest gets no answer at all.
    let closed = cause != HandshakeFailure::TimedOut && target.transport != Transport::Wg;
    if !closed && !needs_time(target, plan.access, known) {
        return undiagnosed(target, cause, "it refuses this network, or it is not EasyTier").into();
    }

    tracing::debug!(%target.address, ?cause, "no answer as a member; trying as a guest to find out why");
    let as_guest = async {
        let dialed = plan.dialer.dial(target, &Access::Guest, plan.meter, plan.deadline).await.ok()?;
        let mut opened = Session::open(dialed.link, &Access::Guest).await;
        if let Ok(session) = &mut opened {
            if session.node_network() != network.network_name {
                session.ping(PingPlan::ONE, plan.half_time()).await;
            }
            session.stay(plan.deadline).await;
        }
        Some(opened)
    };
    match timeout_at(plan.deadline, as_guest).await {
        Ok(Some(Ok(guest))) if guest.node_network() == network.network_name => {
            Diagnosis { failure: secret_mismatch(), may_be_secure_mode: !guest.shows_digest() }
        }
        Ok(Some(Ok(guest))) if guest.is_admitted() => {
            let message = "the node serves guests, but its network is not the one given for it";
            Failure::new(FailureCode::NetworkMismatch, message).into()
        }
        Ok(Some(Ok(_))) => {
            let message = "the node's network is not the one given for it, and it lets no other network in (whitelist or \
                           private mode)";
            Failure::new(FailureCode::Rejected, message).into()
        }
        Ok(Some(Err(HandshakeError::NotEasytier(received)))) => not_easytier(received).into(),
        _ => Diagnosis {
            failure: undiagnosed(target, cause, "it refuses both this network and guests, or it is not EasyTier"),
            may_be_secure_mode: cause == HandshakeFailure::AnswerLost,
        },
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
        HandshakeFailure::AnswerLost => Failure::new(
            FailureCode::Rejected,
            "the node closed the connection when it had read the handshake: it does not let this network in (whitelist or \
             private mode)",
        ),
        HandshakeFailure::TimedOut if target.transport.is_over_tcp() => {
            Failure::new(FailureCode::HandshakeTimeout, "port open, no EasyTier answer")
        }
        HandshakeFailure::TimedOut => {
            Failure::new(FailureCode::HandshakeTimeout, "connected, no answer to the handshake")
        }
    }
}
