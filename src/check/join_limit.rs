//! The limit on joins of one address.
//!
//! Volunteers run the nodes, and old versions crash after rapid joins. So one check at a time joins an address, and the
//! next join waits a little.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, sleep_until, timeout_at},
};

/// When an address was last joined; locked while it is being joined.
type LastJoin = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// How many addresses are kept before unused ones are removed for the first time.
const FIRST_SWEEP_AT: usize = 1024;

pub(super) struct JoinLimit {
    interval: Duration,
    addresses: Mutex<Addresses>,
}

struct Addresses {
    last_joins: HashMap<SocketAddr, LastJoin>,
    sweep_at: usize,
}

/// The permit to join an address, until dropped.
pub(super) struct JoinPermit {
    _lock: Option<OwnedMutexGuard<Option<Instant>>>,
}

impl JoinLimit {
    /// Keeps joins of one address at least `interval` apart; zero for no limit.
    pub fn new(interval: Duration) -> Self {
        let addresses = Addresses { last_joins: HashMap::new(), sweep_at: FIRST_SWEEP_AT };
        Self { interval, addresses: Mutex::new(addresses) }
    }

    /// Waits until `address` may be joined; `None` when that is not before `deadline`.
    pub async fn acquire(&self, address: SocketAddr, deadline: Instant) -> Option<JoinPermit> {
        if self.interval.is_zero() {
            return Some(JoinPermit { _lock: None });
        }
        let last_join = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).entry(address, self.interval);
        let mut lock = timeout_at(deadline, last_join.lock_owned()).await.ok()?;
        let start = lock.map_or_else(Instant::now, |last| Instant::now().max(last + self.interval));
        if start >= deadline {
            return None;
        }
        sleep_until(start).await;
        *lock = Some(start);
        Some(JoinPermit { _lock: Some(lock) })
    }
}

impl Addresses {
    fn entry(&mut self, address: SocketAddr, interval: Duration) -> LastJoin {
        if self.last_joins.len() >= self.sweep_at {
            self.last_joins.retain(|_, last_join| {
                let in_use = Arc::strong_count(last_join) > 1;
                let is_recent = |last: Option<Instant>| last.is_some_and(|last| last.elapsed() < interval);
                in_use || last_join.try_lock().is_ok_and(|last| is_recent(*last))
            });
            self.sweep_at = FIRST_SWEEP_AT.max(self.last_joins.len() * 2);
        }
        self.last_joins.entry(address).or_default().clone()
    }
}
