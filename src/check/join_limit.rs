//! Gentleness: nodes are lent by volunteers, and old ones die of rapid joins.
//!
//! At most one join of an address is under way at a time, and the next one waits a little.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, sleep_until, timeout_at},
};

/// When an address was last joined; locked while it is being joined.
type LastJoin = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// Addresses remembered before the first look for those that can be forgotten.
const FIRST_SWEEP_AT: usize = 1024;

pub(super) struct JoinLimit {
    interval: Duration,
    addresses: Mutex<Addresses>,
}

struct Addresses {
    last_joins: HashMap<SocketAddr, LastJoin>,
    sweep_at: usize,
}

/// The right to join an address, until dropped.
pub(super) struct Turn {
    _lock: Option<OwnedMutexGuard<Option<Instant>>>,
}

impl JoinLimit {
    /// Joins of one address at least `interval` apart; no limit at all when it is zero.
    pub fn new(interval: Duration) -> Self {
        let addresses = Addresses { last_joins: HashMap::new(), sweep_at: FIRST_SWEEP_AT };
        Self { interval, addresses: Mutex::new(addresses) }
    }

    /// Waits for the turn to join `address`; `None` when it does not come before `deadline`.
    pub async fn turn(&self, address: SocketAddr, deadline: Instant) -> Option<Turn> {
        if self.interval.is_zero() {
            return Some(Turn { _lock: None });
        }
        let last_join = self.addresses.lock().expect("no code panics under this lock").entry(address, self.interval);
        let mut lock = timeout_at(deadline, last_join.lock_owned()).await.ok()?;
        let start = lock.map_or_else(Instant::now, |last| Instant::now().max(last + self.interval));
        if start >= deadline {
            return None;
        }
        sleep_until(start).await;
        *lock = Some(start);
        Some(Turn { _lock: Some(lock) })
    }
}

impl Addresses {
    fn entry(&mut self, address: SocketAddr, interval: Duration) -> LastJoin {
        if self.last_joins.len() >= self.sweep_at {
            self.last_joins.retain(|_, last_join| {
                let unused = Arc::strong_count(last_join) == 1;
                let long_ago = |last: Option<Instant>| last.is_none_or(|last| last.elapsed() >= interval);
                !unused || !last_join.try_lock().is_ok_and(|last| long_ago(*last))
            });
            self.sweep_at = FIRST_SWEEP_AT.max(self.last_joins.len() * 2);
        }
        self.last_joins.entry(address).or_default().clone()
    }
}
