//! What all checks of a probe share: the joins of one address, and the sockets.
//!
//! A check waits for its turn outside its own time. When the turn does not come, the check says nothing about the peer.

mod joins;
mod sockets;

use std::time::Duration;

use tokio::{sync::SemaphorePermit, time::Instant};

use self::{
    joins::{JoinLimit, JoinPermit},
    sockets::Sockets,
};
use crate::{Failure, FailureCode, Target};

pub(super) use self::sockets::HeldPermit;

/// Gives checks their turns.
pub(super) struct Limiter {
    joins: JoinLimit,
    sockets: Sockets,
}

/// The turn of an attempt, until dropped.
pub(super) struct Turn<'a> {
    _join: JoinPermit,
    _socket: SemaphorePermit<'a>,
}

/// Why a turn did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Other checks of the same address went first.
    Address,
    /// Other checks used all sockets.
    Sockets,
}

impl Limiter {
    /// Joins of one address are at least `join_interval` apart; zero for no limit. At most `max_sockets` sockets are open,
    /// and at most `max_checks` checks connect at the same time.
    pub fn new(join_interval: Duration, max_sockets: usize, max_checks: usize) -> Self {
        Self { joins: JoinLimit::new(join_interval), sockets: Sockets::new(max_sockets, max_checks) }
    }

    /// How many checks can connect at the same time.
    pub fn max_checks(&self) -> usize {
        self.sockets.max_checks()
    }

    /// How many sessions can stay open.
    pub fn max_held(&self) -> usize {
        self.sockets.max_held()
    }

    /// Waits until `target`, at `position` among the addresses of its peer, may be connected to, but not after `until`.
    pub async fn turn(&self, target: &Target, position: usize, until: Instant) -> Result<Turn<'_>, NoTurn> {
        let mut join = self.joins.acquire(target, until).await.ok_or(NoTurn::Address)?;
        let socket = self.sockets.acquire(position, until).await.ok_or(NoTurn::Sockets)?;
        join.begin();
        Ok(Turn { _join: join, _socket: socket })
    }

    /// The place for one more session that stays open; `None` if the sockets do not suffice.
    pub fn hold(&self) -> Option<HeldPermit> {
        self.sockets.hold()
    }
}

impl NoTurn {
    /// The failure of an attempt at `target` that did not come about.
    pub fn failure(self, target: &Target) -> Failure {
        let (address, protocol) = (target.address, target.url.protocol());
        let message = match self {
            Self::Address => format!(
                "other checks of {address} over {protocol} went first and left no time; list fewer peers at one \
                 address, or raise the timeout"
            ),
            Self::Sockets => format!(
                "{address} was not tried, because other checks use all sockets of this probe; raise its limit of open \
                 files"
            ),
        };
        Failure::new(FailureCode::MissedWindow, message)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use futures::{FutureExt, future::join_all};
    use tokio::time::timeout;

    use super::*;
    use crate::PeerUrl;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn target(url: &str) -> Target {
        let url: PeerUrl = url.parse().unwrap();
        let transport = url.scheme().unwrap().transport().unwrap();
        Target { transport, address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), url.port().unwrap()), url }
    }

    fn tcp() -> Target {
        target("tcp://127.0.0.1:11010")
    }

    #[tokio::test(start_paused = true)]
    async fn joins_of_one_address_are_an_interval_apart_and_those_of_others_do_not_wait() {
        let limiter = Limiter::new(INTERVAL, 100, 10);
        let begun = Instant::now();
        let until = begun + 10 * INTERVAL;
        let same = [tcp(), tcp(), tcp()];
        let turns = same.iter().map(async |target| {
            limiter.turn(target, 0, until).await.unwrap();
            begun.elapsed()
        });
        assert_eq!(join_all(turns).await, [Duration::ZERO, INTERVAL, 2 * INTERVAL]);

        for other in [target("udp://127.0.0.1:11010"), target("tcp://127.0.0.1:11011")] {
            let turn = limiter.turn(&other, 0, until).now_or_never();
            assert!(turn.is_some_and(|turn| turn.is_ok()), "{other:?} waits");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_comes_too_late_is_given_up_at_once() {
        let limiter = Limiter::new(INTERVAL, 100, 10);
        drop(limiter.turn(&tcp(), 0, Instant::now()).await);
        let until = Instant::now() + INTERVAL / 2;
        assert_eq!(limiter.turn(&tcp(), 0, until).now_or_never().expect("no wait").err(), Some(NoTurn::Address));
    }

    #[tokio::test(start_paused = true)]
    async fn the_distance_of_joins_counts_from_their_beginning_and_not_from_the_wait_for_a_socket() {
        let limiter = Limiter::new(INTERVAL, 0, 0);
        let begun = Instant::now();
        let until = begun + 10 * INTERVAL;
        let (tcp, other) = (tcp(), target("tcp://127.0.0.1:11011"));
        let elsewhere = limiter.turn(&other, 0, until).await;
        let first = async {
            // The only socket is in use for half an interval.
            drop(limiter.turn(&tcp, 0, until).await.unwrap());
            begun.elapsed()
        };
        let free = async {
            tokio::time::sleep(INTERVAL / 2).await;
            drop(elsewhere);
        };
        assert_eq!(tokio::join!(first, free).0, INTERVAL / 2);
        drop(limiter.turn(&tcp, 0, until).await.unwrap());
        assert_eq!(begun.elapsed(), INTERVAL / 2 + INTERVAL);
    }

    #[tokio::test(start_paused = true)]
    async fn further_addresses_of_some_peers_leave_the_sockets_of_others_alone() {
        let limiter = Limiter::new(Duration::ZERO, 24, 16);
        let until = Instant::now() + INTERVAL;
        let (target, mut taken) = (tcp(), Vec::new());
        while let Ok(Ok(turn)) = timeout(Duration::ZERO, limiter.turn(&target, 2, until)).await {
            taken.push(turn);
        }
        assert_eq!(taken.len(), 2);
        assert_eq!(limiter.turn(&target, 2, until).await.err(), Some(NoTurn::Sockets));
        for position in [0, 1] {
            assert!(limiter.turn(&target, position, until).await.is_ok());
        }
    }

    #[tokio::test]
    async fn no_more_sessions_stay_open_than_there_are_sockets_for() {
        let limiter = Limiter::new(INTERVAL, 24, 16);
        let mut held: Vec<HeldPermit> = std::iter::from_fn(|| limiter.hold()).collect();
        assert_eq!(held.len(), limiter.max_held());
        held.pop();
        assert!(limiter.hold().is_some());
    }

    #[test]
    fn a_missed_turn_names_the_address_and_the_transport() {
        let target = target("udp://127.0.0.1:11010");
        assert!(NoTurn::Address.failure(&target).message.contains("127.0.0.1:11010 over udp"));
        assert!(NoTurn::Sockets.failure(&target).message.contains("127.0.0.1:11010"));
    }
}
