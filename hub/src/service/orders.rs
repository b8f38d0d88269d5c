//! Orders to probes, for which they wait over connections that they make themselves.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use easytier_probe::CheckResult;
use easytier_uptime_store::{
    Store,
    domain::{MessageKind, Order, ProbeId, Timestamp},
};
use serde_json::Value as Json;
use tokio::{sync::Notify, time::timeout};

use super::ServiceError;

/// How often the database is asked whether there are orders, while probes wait: another hub may have taken them.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The orders of a hub's probes. Cheap to clone.
#[derive(Clone)]
pub struct Orders(Arc<Shared>);

struct Shared {
    store: Store,
    look: Notify,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The last order of each probe that has not answered it.
    newest: BTreeMap<ProbeId, i64>,
    /// The last connection over which each probe waited.
    lines: HashMap<ProbeId, Weak<Line>>,
}

/// What a waiting connection is told.
#[derive(Default)]
struct Line {
    /// There may be something for the probe.
    woken: Notify,
    /// The probe made another connection.
    replaced: Notify,
}

/// What waits for a probe.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Checks to be made now.
    pub orders: Vec<Order>,
    /// What else is asked of it, by number.
    pub messages: Vec<(i64, MessageKind)>,
}

impl Waiting {
    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.messages.is_empty()
    }
}

/// A connection over which a probe waits for orders.
pub struct Channel {
    orders: Orders,
    probe: ProbeId,
    since: i64,
    line: Arc<Line>,
}

impl Orders {
    /// The orders in `store`. It must be called on a tokio runtime.
    pub fn start(store: Store) -> Self {
        let shared = Arc::new(Shared { store, look: Notify::new(), known: Mutex::default() });
        tokio::spawn(look_for_orders(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// Looks for orders at once.
    pub fn look_now(&self) {
        self.0.look.notify_one();
    }

    /// A connection of this probe, in the place of its last one here.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn channel(&self, probe: ProbeId, since: i64) -> Result<Channel, ServiceError> {
        self.0.store.note_channel(probe, Timestamp::now()).await?;
        let line = Arc::new(Line::default());
        let before = self.0.known().lines.insert(probe, Arc::downgrade(&line));
        if let Some(before) = before.and_then(|before| before.upgrade()) {
            before.replaced.notify_one();
        }
        self.look_now();
        Ok(Channel { orders: self.clone(), probe, since, line })
    }

    /// Takes the result of an order.
    ///
    /// # Errors
    ///
    /// When the probe has no such order, nobody waits for it any more, or the database fails.
    pub async fn answer(&self, probe: ProbeId, number: i64, result: &CheckResult) -> Result<(), ServiceError> {
        Ok(self.0.store.answer_order(probe, number, result, Timestamp::now()).await?)
    }

    /// Takes the answer to a message that is no check.
    ///
    /// # Errors
    ///
    /// When the probe has no such message, nobody waits for the answer any more, or the database fails.
    pub async fn answer_message(&self, probe: ProbeId, number: i64, answer: &Json) -> Result<(), ServiceError> {
        Ok(self.0.store.answer_message(probe, number, answer, Timestamp::now()).await?)
    }
}

impl Channel {
    /// The probe that waits.
    pub fn probe(&self) -> ProbeId {
        self.probe
    }

    /// Waits for orders and messages. None when the probe made another connection.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn next(&mut self) -> Result<Waiting, ServiceError> {
        loop {
            let (probe, since) = (self.probe, self.since);
            let Some(last) = self.orders.0.last_after(probe, since) else {
                tokio::select! {
                    () = self.line.replaced.notified() => return Ok(Waiting::default()),
                    () = self.line.woken.notified() => continue,
                }
            };
            let (store, now) = (&self.orders.0.store, Timestamp::now());
            let waiting = Waiting {
                orders: store.orders(probe, since, now).await?,
                messages: store.messages(probe, since, now).await?,
            };
            if !waiting.is_empty() {
                return Ok(waiting);
            }
            // The orders are of nodes that are gone meanwhile.
            self.since = last;
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last order of a probe that has not answered it, if it is after `since`.
    fn last_after(&self, probe: ProbeId, since: i64) -> Option<i64> {
        self.known().newest.get(&probe).copied().filter(|last| *last > since)
    }

    /// Whether a probe waits.
    fn is_awaited(&self) -> bool {
        let lines = &mut self.known().lines;
        lines.retain(|_, line| line.strong_count() > 0);
        !lines.is_empty()
    }

    /// Takes in what was found, and wakes the probes for which there is something new, and no others: they may be thousands.
    fn take(&self, found: BTreeMap<ProbeId, i64>) {
        let known = &mut *self.known();
        for (probe, last) in &found {
            if known.newest.get(probe) != Some(last)
                && let Some(line) = known.lines.get(probe).and_then(Weak::upgrade)
            {
                line.woken.notify_one();
            }
        }
        known.newest = found;
    }
}

/// Looks for orders while probes wait, until all handles are dropped.
async fn look_for_orders(shared: Weak<Shared>) {
    loop {
        let Some(orders) = shared.upgrade() else { return };
        if orders.is_awaited() {
            match orders.store.probes_with_orders(Timestamp::now()).await {
                Ok(found) => orders.take(found),
                Err(error) => tracing::debug!(%error, "the orders to probes cannot be read"),
            }
        }
        // Asked or not, it looks again.
        let _ = timeout(POLL_INTERVAL, orders.look.notified()).await;
    }
}
