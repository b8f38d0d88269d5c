//! `/live`: notifies open pages of changes by server-sent events. The pages then reload their content. The store is polled
//! once a second, however many pages are open.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::State,
    http::HeaderName,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use easytier_uptime_monitor::{Party, Place, Places};
use easytier_uptime_store::{Store, StoreError, domain::Pulse};
use futures::stream;
use tokio::{sync::watch, time::Instant};

use super::snapshot::Snapshots;
use crate::web::{Client, Closing, Refusal};

/// How often the store is polled.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The minimum time between two events about new figures while no status changes.
const FIGURES_INTERVAL: Duration = Duration::from_secs(10);

/// The maximum time between two events: ages and charts change even without new results.
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// The maximum number of listeners. For a further one, the address with most listeners loses one; its page then reloads
/// itself, less often.
const MAX_LISTENERS: usize = 1024;

/// The listeners, and the poller that runs while there are any.
pub struct Live {
    store: Store,
    snapshots: Arc<Snapshots>,
    places: Arc<Places>,
    /// `None` while there are no listeners.
    changes: Mutex<Option<watch::Receiver<Change>>>,
}

/// The last change that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Change {
    number: u64,
    /// Whether a status or the list changed; otherwise only figures did.
    is_status: bool,
}

impl Live {
    pub fn new(store: Store, snapshots: Arc<Snapshots>) -> Self {
        Self { store, snapshots, places: Places::new(MAX_LISTENERS), changes: Mutex::new(None) }
    }

    /// Subscribes to changes, and starts the poller if it is not running.
    fn subscribe(&self) -> watch::Receiver<Change> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = &*changes
            && receiver.has_changed().is_ok()
        {
            let mut receiver = receiver.clone();
            // A page that was just loaded shows all changes so far.
            receiver.mark_unchanged();
            return receiver;
        }
        let (sender, receiver) = watch::channel(Change::default());
        tokio::spawn(ChangePoller::new(self.store.clone(), Arc::clone(&self.snapshots), sender).run());
        *changes = Some(receiver.clone());
        receiver
    }

    /// Stops the poller once the last listener has left.
    fn leave(&self) {
        if self.places.taken() == 0 {
            *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Polls the store and sends changes to the listeners.
struct ChangePoller {
    store: Store,
    snapshots: Arc<Snapshots>,
    sender: watch::Sender<Change>,
    /// The state of the store at the last change that was sent.
    sent: Option<Pulse>,
    sent_at: Instant,
}

impl ChangePoller {
    fn new(store: Store, snapshots: Arc<Snapshots>, sender: watch::Sender<Change>) -> Self {
        Self { store, snapshots, sender, sent: None, sent_at: Instant::now() }
    }

    /// Polls until there are no listeners.
    async fn run(mut self) {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = self.sender.closed() => return,
            }
            if let Err(error) = self.poll().await {
                tracing::debug!(%error, "polling the store for changes failed");
            }
        }
    }

    async fn poll(&mut self) -> Result<(), StoreError> {
        let pulse = self.store.pulse().await?;
        // The first poll is the base for later comparisons.
        let sent = *self.sent.get_or_insert(pulse);
        let is_status = (sent.event, sent.config_version) != (pulse.event, pulse.config_version);
        let has_figures = sent.checked_at != pulse.checked_at;
        let interval = if has_figures { FIGURES_INTERVAL } else { MAX_INTERVAL };
        if is_status || self.sent_at.elapsed() >= interval {
            // Pages that reload now must not get a snapshot from before the change.
            self.snapshots.invalidate().await;
            self.sent = Some(pulse);
            self.sent_at = Instant::now();
            self.sender.send_modify(|change| *change = Change { number: change.number + 1, is_status });
        }
        Ok(())
    }
}

/// An open page, with its subscription and its place.
struct Listener {
    changes: watch::Receiver<Change>,
    closing: Closing,
    live: Arc<Live>,
    place: Option<Place>,
    has_begun: bool,
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.place.take());
        self.live.leave();
    }
}

impl Listener {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if !self.has_begun {
            self.has_begun = true;
            // Some proxies delay the response until its body begins.
            return Some((Ok(Event::default().comment("listening")), self));
        }
        tokio::select! {
            changed = self.changes.changed() => changed.ok()?,
            () = self.closing.begun() => return None,
            // The page connects again after a while.
            () = lost(self.place.as_ref()) => return None,
        }
        let change = *self.changes.borrow_and_update();
        let name = if change.is_status { "change" } else { "figures" };
        Some((Ok(Event::default().event(name).data(change.number.to_string())), self))
    }
}

/// Resolves when the place is lost to the page of another caller.
async fn lost(place: Option<&Place>) {
    match place {
        Some(place) => place.lost().await,
        None => std::future::pending().await,
    }
}

/// With the value `no`, nginx does not buffer the response.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Sends the event `change` when a status or the list changed, and `figures` when only figures changed.
pub async fn events(
    State(live): State<Arc<Live>>,
    Client(from): Client,
    Extension(closing): Extension<Closing>,
) -> Response {
    let Some(place) = live.places.take(Party::of(from)) else {
        return Refusal::unavailable("too many pages receive live updates").into_response();
    };
    let listener = Listener { changes: live.subscribe(), closing, live, place: Some(place), has_begun: false };
    let events = Sse::new(stream::unfold(listener, Listener::next)).keep_alive(KeepAlive::default());
    ([(ACCEL_BUFFERING, "no")], events).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use easytier_uptime_store::{
        HubKey, Location, StoreOptions,
        domain::{PeerSpec, Timestamp},
    };

    /// A poller after its first poll, and a listener.
    async fn poller(folder: &tempfile::TempDir) -> (ChangePoller, watch::Receiver<Change>) {
        let location = Location::Sqlite(folder.path().join("uptime.db"));
        let store = Store::open(StoreOptions::new(location, HubKey::generate()), Timestamp::now()).await.unwrap();
        let (sender, receiver) = watch::channel(Change::default());
        let snapshots = Arc::new(Snapshots::new(store.clone()));
        let mut poller = ChangePoller::new(store, snapshots, sender);
        poller.poll().await.unwrap();
        (poller, receiver)
    }

    #[tokio::test]
    async fn a_snapshot_after_a_change_has_the_change() {
        let folder = tempfile::tempdir().unwrap();
        let (mut poller, receiver) = poller(&folder).await;
        assert_eq!(poller.snapshots.newest().await.unwrap().nodes.len(), 0);
        let spec = PeerSpec::new("tcp://node.example.net:11010".parse().unwrap());
        poller.store.add_peer(&spec, Timestamp::now()).await.unwrap();
        poller.poll().await.unwrap();
        assert_eq!(*receiver.borrow(), Change { number: 1, is_status: true });
        assert_eq!(poller.snapshots.newest().await.unwrap().nodes.len(), 1);
    }

    #[tokio::test]
    async fn pages_reload_after_a_while_even_when_nobody_checks() {
        let folder = tempfile::tempdir().unwrap();
        let (mut poller, receiver) = poller(&folder).await;
        poller.poll().await.unwrap();
        assert_eq!(*receiver.borrow(), Change::default());
        poller.sent_at -= MAX_INTERVAL;
        poller.poll().await.unwrap();
        assert_eq!(*receiver.borrow(), Change { number: 1, is_status: false });
    }

    #[tokio::test]
    async fn a_new_listener_gets_no_earlier_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (poller, receiver) = poller(&folder).await;
        let live = Live::new(poller.store.clone(), Arc::clone(&poller.snapshots));
        *live.changes.lock().unwrap() = Some(receiver);
        poller.sender.send_modify(|change| change.number += 1);
        assert!(!live.subscribe().has_changed().unwrap());
    }
}
