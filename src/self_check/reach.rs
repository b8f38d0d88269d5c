//! Asking targets whether this probe has a network.

use std::{io::ErrorKind, time::Duration};

use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{scope::Scope, target::SelfCheckTarget};
use crate::{Checker, FailureCode, Peer, io_failure::has_no_descriptor};

/// How long the targets may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How far this probe reaches, according to the targets that it asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// The farthest target that answered.
    pub(super) answered: Option<Scope>,
    /// The nearest target that did not answer.
    pub(super) failed: Option<Scope>,
}

/// What a [`Reach`] says about a failure of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A target that is as far away as the peer answered.
    Connected,
    /// A target that is no farther away than the peer did not answer, and none as far away did.
    CutOff,
    /// No target says anything about so far a peer. A backend in the same room is no proof of an uplink.
    None,
}

impl Reach {
    /// Asks all targets at once; takes 2 seconds at most.
    pub async fn ask(checker: &Checker, targets: &[SelfCheckTarget]) -> Self {
        join_all(targets.iter().map(|target| ask_one(checker, target)))
            .await
            .into_iter()
            .fold(Self::default(), Self::and)
    }

    /// What this says about a failure of a peer at `scope`.
    pub(super) fn evidence(self, scope: Scope) -> Evidence {
        if self.answered.is_some_and(|answered| answered >= scope) {
            return Evidence::Connected;
        }
        match self.failed {
            Some(failed) if failed <= scope => Evidence::CutOff,
            _ => Evidence::None,
        }
    }

    fn answered(scope: Scope) -> Self {
        Self { answered: Some(scope), failed: None }
    }

    fn failed(scope: Scope) -> Self {
        Self { answered: None, failed: Some(scope) }
    }

    fn and(self, other: Self) -> Self {
        let nearest = [self.failed, other.failed].into_iter().flatten().min();
        Self { answered: self.answered.max(other.answered), failed: nearest }
    }
}

async fn ask_one(checker: &Checker, target: &SelfCheckTarget) -> Reach {
    let mut scope = Scope::of_url(target.url());
    let asking = async {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let peer = Peer::local(0, target.url().clone());
        let targets = match checker.resolver().resolve(&peer, deadline).await {
            Ok(resolved) => resolved.targets,
            Err(failure) if failure.code == FailureCode::Internal => return None,
            Err(_) => return Some(Reach::failed(scope)),
        };
        scope = targets.iter().map(|target| Scope::of(target.address.ip())).min().unwrap_or(scope);
        let mut connecting: FuturesUnordered<_> = targets
            .iter()
            .map(async |target| (Scope::of(target.address.ip()), TcpStream::connect(target.address).await))
            .collect();
        let mut asked = true;
        while let Some((scope, connected)) = connecting.next().await {
            match connected {
                Ok(_) => return Some(Reach::answered(scope)),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Some(Reach::answered(scope)),
                Err(error) => asked &= !has_no_descriptor(&error),
            }
        }
        asked.then(|| Reach::failed(scope))
    };
    let reach = timeout(ANSWER_TIMEOUT, asking).await.unwrap_or_else(|_| Some(Reach::failed(scope)));
    tracing::debug!(%target, ?reach, "self-check");
    // A probe that could not ask learns nothing about its network.
    reach.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Scope::*, *};

    #[test]
    fn a_target_proves_nothing_beyond_its_own_scope() {
        let cases = [
            (Some(Private), None, Private, Evidence::Connected),
            (Some(Private), None, Local, Evidence::Connected),
            (Some(Private), None, Public, Evidence::None),
            (None, Some(Public), Public, Evidence::CutOff),
            // A dead uplink does not explain why a machine in the same room fails.
            (None, Some(Public), Private, Evidence::None),
            (None, Some(Private), Public, Evidence::CutOff),
            (Some(Private), Some(Public), Public, Evidence::CutOff),
            (Some(Public), Some(Private), Public, Evidence::Connected),
            (None, None, Local, Evidence::None),
        ];
        for (answered, failed, scope, evidence) in cases {
            assert_eq!(Reach { answered, failed }.evidence(scope), evidence, "{answered:?} {failed:?} {scope:?}");
        }
    }
}
