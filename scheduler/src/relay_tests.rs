//! Tests whether nodes relay data between their guests, where the hub asks for that.
//!
//! They run beside the checks, which wait for none of them: what a test finds out is a part of the next result of its peer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use easytier_probe::{Checker, Peer};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::observer::Observer;

/// The maximum number of tests that wait. The hub hands out again what is not answered.
const MAX_WAITING: usize = 1000;

/// How long tests in flight may take when the probe stops.
const GRACE: Duration = Duration::from_secs(5);

/// How many tests run at the same time. Each has two sessions.
const AT_ONCE: usize = 4;

/// The tests that wait.
pub struct RelayTests {
    checker: Checker,
    observer: Arc<Observer>,
    waiting: Mutex<VecDeque<i64>>,
    asked: Notify,
}

impl RelayTests {
    /// Tests with `checker`, which the checks use too: it keeps joins of one address apart.
    pub fn new(checker: Checker, observer: Arc<Observer>) -> Self {
        Self { checker, observer, waiting: Mutex::default(), asked: Notify::new() }
    }

    /// Tests these peers soon.
    pub fn ask(&self, peers: impl IntoIterator<Item = i64>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for id in peers {
            if waiting.len() < MAX_WAITING && !waiting.contains(&id) {
                waiting.push_back(id);
            }
        }
        self.asked.notify_one();
    }

    /// Runs tests until `stop`. Those in flight may take [`GRACE`] to finish. `peer` is the peer with an id as it is listed now.
    pub async fn run(&self, peer: impl Fn(i64) -> Option<Arc<Peer>>, stop: CancellationToken) {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < AT_ONCE
                && let Some(id) = self.next()
            {
                running.extend(peer(id).map(|peer| self.test(peer)));
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.asked.notified() => {}
                Some(()) = running.next() => {}
            }
        }
        // Old nodes may crash when both sessions of a test are closed at once.
        let _ = timeout(GRACE, running.collect::<()>()).await;
    }

    fn next(&self) -> Option<i64> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn test(&self, peer: Arc<Peer>) {
        let test = self.checker.test_relay(&peer).await;
        self.observer.tested(&peer, test);
    }
}
