//! Why a node gave no answer to the handshake.
//!
//! A 2.0 node closes without a word (over udp: stays silent) on a member whose secret is wrong, as it does on whom it
//! refuses, and as any other server does that cannot read us. A second try as a guest tells these apart, because a
//! guest gets an answer that carries the node's own network name.

use tokio::time::timeout_at;

use super::{
    attempt::Question,
    identity::Identity,
    session::{GreetError, Session},
};
use crate::{Access, Failure, FailureCode, Scheme, Target};

/// How a node gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Closed,
    Timeout,
}

/// Why a node gave no answer, as far as that was found out.
#[derive(Debug, Clone)]
pub(super) struct NoAnswer {
    pub silence: Silence,
    pub failure: Failure,
}

/// Whether time must be left for a try as a guest: over udp a wrong secret shows as silence, elsewhere as a closed
/// connection.
pub(super) fn needs_time(target: &Target, question: Question<'_>) -> bool {
    let known = question.known.is_some_and(|known| known.silence == Silence::Timeout);
    !known && matches!(question.access, Access::Member(_)) && target.url.scheme() == Scheme::Udp
}

/// Why `target` gave no answer, after at most one more session; none if it is known from the last time.
pub(super) async fn no_answer(target: &Target, question: Question<'_>, silence: Silence) -> Failure {
    let Access::Member(network) = question.access else {
        return unexplained(target, silence, "it refuses strangers, or it is not EasyTier");
    };
    if let Some(known) = question.known.filter(|known| known.silence == silence) {
        return known.failure.clone();
    }
    // Over wg a guest gets no answer at all.
    let ambiguous = silence == Silence::Closed && target.url.scheme() != Scheme::Wg || needs_time(target, question);
    if !ambiguous {
        return unexplained(target, silence, "it refuses this network, or it is not EasyTier");
    }

    tracing::debug!(%target.address, ?silence, "no answer as a member; trying as a guest to find out why");
    let guest = async {
        let dialed = question.dialer.dial(target, &Access::Guest, question.deadline).await.ok()?;
        Some(Session::greet(dialed.link, Identity::guest()).await)
    };
    match timeout_at(question.deadline, guest).await {
        Ok(Some(Ok(session))) if session.node_network() == network.network_name => other_secret(),
        Ok(Some(Ok(_))) => {
            let words = "the node answers guests, but its network is not the one given for it";
            Failure::new(FailureCode::NetworkMismatch, words)
        }
        Ok(Some(Err(GreetError::NotEasytier(what)))) => not_easytier(what),
        _ => unexplained(target, silence, "it refuses both this network and guests, or it is not EasyTier"),
    }
}

/// A member's secret is not that of the node's network.
pub(super) fn other_secret() -> Failure {
    Failure::new(FailureCode::SecretMismatch, "the node's network has the given name, but another secret")
}

/// In place of an answer to the handshake came `what`.
pub(super) fn not_easytier(what: &str) -> Failure {
    let words = format!("port open, but what answers is not EasyTier: it sent {what}");
    Failure::new(FailureCode::NotEasytier, words)
}

fn unexplained(target: &Target, silence: Silence, closed_because: &str) -> Failure {
    match silence {
        Silence::Closed => Failure::new(
            FailureCode::Rejected,
            format!("port open, but it closed without an answer to the handshake: {closed_because}"),
        ),
        Silence::Timeout if target.url.scheme().is_over_tcp() => {
            Failure::new(FailureCode::HandshakeTimeout, "port open, no EasyTier answer")
        }
        Silence::Timeout => Failure::new(FailureCode::HandshakeTimeout, "connected, no answer to the handshake"),
    }
}
