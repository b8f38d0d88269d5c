//! `/live`: notifies open pages of new snapshots of the nodes by server-sent events. The pages then load their content
//! again, each at another moment, and less often the more pages are open.

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
use futures::stream;
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use crate::{
    board::Board,
    web::{Client, Closing, Refusal},
};

/// How often the announcer looks for a new snapshot.
const INTERVAL: Duration = Duration::from_secs(1);

/// The minimum time between two events about new figures while no status changes.
const FIGURES_INTERVAL: Duration = Duration::from_secs(10);

/// The maximum time between two events: ages and charts change even without new results.
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// The time in which the pages load their content after an event, at least.
const MIN_SPREAD: Duration = Duration::from_millis(300);
const MIN_SPREAD_OF_FIGURES: Duration = Duration::from_secs(2);

/// How much of that time there is for each page: a thousand open pages cause a hundred requests a second at most.
const SPREAD_OF_ONE: Duration = Duration::from_millis(10);

/// The maximum number of listeners. For a further one, the address with most listeners loses one; its page then reloads
/// itself, less often.
const MAX_LISTENERS: usize = 1024;

/// The listeners, and the announcer that runs while there are any.
pub struct Live {
    board: Arc<Board>,
    places: Arc<Places>,
    /// `None` while there are no listeners.
    changes: Mutex<Option<watch::Receiver<Change>>>,
}

/// The last change that was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Change {
    number: u64,
    /// Whether a status or the list changed; otherwise only figures did.
    is_status: bool,
    /// In how much time all pages load their content.
    spread: Duration,
}

impl Live {
    pub fn new(board: Arc<Board>) -> Self {
        Self { board, places: Places::new(MAX_LISTENERS), changes: Mutex::new(None) }
    }

    /// Subscribes to changes, and starts the announcer if it is not running.
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
        tokio::spawn(Announcer::new(Arc::clone(&self.board), Arc::clone(&self.places), sender).run());
        *changes = Some(receiver.clone());
        receiver
    }

    /// Stops the announcer once the last listener has left.
    fn leave(&self) {
        if self.places.taken() == 0 {
            *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Announces new snapshots to the listeners.
struct Announcer {
    board: Arc<Board>,
    places: Arc<Places>,
    sender: watch::Sender<Change>,
    /// The snapshot that was announced: its number, and how many changes of a status or the list it has.
    announced: Option<(u64, u64)>,
    announced_at: Instant,
    /// How long the pages take to load what was announced.
    spread: Duration,
}

impl Announcer {
    fn new(board: Arc<Board>, places: Arc<Places>, sender: watch::Sender<Change>) -> Self {
        Self { board, places, sender, announced: None, announced_at: Instant::now(), spread: Duration::ZERO }
    }

    /// Runs until there are no listeners.
    async fn run(mut self) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => self.look(),
                () = self.sender.closed() => return,
            }
        }
    }

    fn look(&mut self) {
        let Some(snapshot) = self.board.known() else { return };
        let newest = (snapshot.number, snapshot.news);
        // The first snapshot is the base for later comparisons.
        let announced = *self.announced.get_or_insert(newest);
        let is_status = announced.1 != newest.1;
        let (pause, min_spread) = match is_status {
            true => (Duration::ZERO, MIN_SPREAD),
            false if announced.0 != newest.0 => (FIGURES_INTERVAL, MIN_SPREAD_OF_FIGURES),
            false => (MAX_INTERVAL, MIN_SPREAD_OF_FIGURES),
        };
        // Pages that have not loaded the last snapshot yet will load this one.
        if self.announced_at.elapsed() < pause.max(self.spread) {
            return;
        }
        let spread = min_spread.max(SPREAD_OF_ONE * self.places.taken() as u32);
        (self.announced, self.announced_at, self.spread) = (Some(newest), Instant::now(), spread);
        self.sender.send_modify(|change| *change = Change { number: change.number + 1, is_status, spread });
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
        let data = json!({ "number": change.number, "within": change.spread.as_millis() as u64 });
        Some((Ok(Event::default().event(name).data(data.to_string())), self))
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

/// Sends the event `change` when a status or the list changed, and `figures` when only figures changed. Its data has the time,
/// in milliseconds, within which all pages should load their content, each at a moment of its own.
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
    use crate::{
        board::Freshness,
        service::{Instances, OwnInstance},
    };
    use easytier_uptime_store::{
        HubKey, Location, Store, StoreOptions,
        domain::{PeerSpec, Timestamp},
    };

    struct Stage {
        store: Store,
        announcer: Announcer,
        receiver: watch::Receiver<Change>,
        _folder: tempfile::TempDir,
    }

    /// An announcer that has seen a first snapshot, and a listener.
    async fn stage() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("uptime.db"));
        let store = Store::open(StoreOptions::new(location, HubKey::generate()), Timestamp::now()).await.unwrap();
        let instances = Instances::new(store.clone(), OwnInstance::default());
        let board = Board::start(store.clone(), Arc::new(instances), Freshness::Exact);
        let (sender, receiver) = watch::channel(Change::default());
        let mut announcer = Announcer::new(board, Places::new(MAX_LISTENERS), sender);
        announcer.board.newest().await.unwrap();
        announcer.look();
        Stage { store, announcer, receiver, _folder: folder }
    }

    #[tokio::test]
    async fn a_change_of_the_list_is_announced_with_the_snapshot_that_has_it() {
        let mut stage = stage().await;
        let spec = PeerSpec::new("tcp://node.example.net:11010".parse().unwrap());
        stage.store.add_peer(&spec, Timestamp::now()).await.unwrap();
        let snapshot = stage.announcer.board.newest().await.unwrap();
        assert_eq!(snapshot.entries.len(), 1);
        stage.announcer.look();
        assert_eq!(*stage.receiver.borrow(), Change { number: 1, is_status: true, spread: MIN_SPREAD });
    }

    #[tokio::test]
    async fn pages_reload_after_a_while_even_when_nobody_checks() {
        let mut stage = stage().await;
        stage.announcer.look();
        assert_eq!(*stage.receiver.borrow(), Change::default());
        stage.announcer.announced_at -= MAX_INTERVAL;
        stage.announcer.look();
        assert_eq!(*stage.receiver.borrow(), Change { number: 1, is_status: false, spread: MIN_SPREAD_OF_FIGURES });
    }

    #[tokio::test]
    async fn a_thousand_pages_load_within_ten_seconds_and_get_no_further_news_until_then() {
        let mut stage = stage().await;
        let party = Party::of([192, 0, 2, 1].into());
        let _listening: Vec<_> = (0..1000).map(|_| stage.announcer.places.take(party).unwrap()).collect();
        let mut announcer = stage.announcer;
        let mut add = async |announcer: &mut Announcer, nth: u32| {
            let spec = PeerSpec::new(format!("tcp://node.example.net:{nth}").parse().unwrap());
            stage.store.add_peer(&spec, Timestamp::now()).await.unwrap();
            announcer.board.newest().await.unwrap();
            announcer.look();
            *stage.receiver.borrow_and_update()
        };
        let first = Change { number: 1, is_status: true, spread: Duration::from_secs(10) };
        assert_eq!(add(&mut announcer, 1).await, first);
        assert_eq!(add(&mut announcer, 2).await, first);
        announcer.announced_at -= first.spread;
        assert_eq!(add(&mut announcer, 3).await, Change { number: 2, ..first });
    }

    #[tokio::test]
    async fn a_new_listener_gets_no_earlier_changes() {
        let stage = stage().await;
        let live = Live::new(Arc::clone(&stage.announcer.board));
        *live.changes.lock().unwrap() = Some(stage.receiver);
        stage.announcer.sender.send_modify(|change| change.number += 1);
        assert!(!live.subscribe().has_changed().unwrap());
    }
}
