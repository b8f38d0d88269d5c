//! The limit on joins of one address over one transport.
//!
//! Volunteers run the nodes, and old versions crash after rapid joins. So one check at a time joins an address, and the
//! next join waits a little. A node usually listens at one port number over both TCP and UDP; these are two listeners, and
//! one that does not answer must not keep the other from being checked.

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

use crate::{Target, Transport};

/// When an address was last joined; locked while it is being joined.
type LastJoin = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// How many addresses are kept before unused ones are removed for the first time.
const FIRST_SWEEP_AT: usize = 1024;

pub(super) struct JoinLimit {
    interval: Duration,
    listeners: Mutex<Listeners>,
}

struct Listeners {
    last_joins: HashMap<(Transport, SocketAddr), LastJoin>,
    sweep_at: usize,
}

/// The permit to join an address, until dropped.
pub(super) struct JoinPermit {
    lock: Option<OwnedMutexGuard<Option<Instant>>>,
}

impl JoinLimit {
    /// Keeps joins of one address at least `interval` apart; zero for no limit.
    pub fn new(interval: Duration) -> Self {
        let listeners = Listeners { last_joins: HashMap::new(), sweep_at: FIRST_SWEEP_AT };
        Self { interval, listeners: Mutex::new(listeners) }
    }

    /// Waits until the address of `target` may be joined; `None` when that is later than `until`.
    pub async fn acquire(&self, target: &Target, until: Instant) -> Option<JoinPermit> {
        if self.interval.is_zero() {
            return Some(JoinPermit { lock: None });
        }
        let listener = (target.transport, target.address);
        let last_join = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).entry(listener, self.interval);
        let lock = timeout_at(until, last_join.lock_owned()).await.ok()?;
        if let Some(last) = *lock {
            let may_start = last + self.interval;
            if may_start > until {
                return None;
            }
            sleep_until(may_start).await;
        }
        Some(JoinPermit { lock: Some(lock) })
    }
}

impl JoinPermit {
    /// The join begins now: the next one keeps its distance from this moment.
    pub fn begin(&mut self) {
        if let Some(lock) = &mut self.lock {
            **lock = Some(Instant::now());
        }
    }
}

impl Listeners {
    fn entry(&mut self, listener: (Transport, SocketAddr), interval: Duration) -> LastJoin {
        if self.last_joins.len() >= self.sweep_at {
            self.last_joins.retain(|_, last_join| {
                let in_use = Arc::strong_count(last_join) > 1;
                let is_recent = |last: Option<Instant>| last.is_some_and(|last| last.elapsed() < interval);
                in_use || last_join.try_lock().is_ok_and(|last| is_recent(*last))
            });
            self.sweep_at = FIRST_SWEEP_AT.max(self.last_joins.len() * 2);
        }
        self.last_joins.entry(listener).or_default().clone()
    }
}
