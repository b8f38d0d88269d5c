//! Tells open pages that there is something new, as server-sent events. What is new they fetch themselves, as the page
//! that they are. However many pages are open, the store is asked once a second.

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
use futures::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::{Site, snapshot::Snapshots};
use crate::{
    model::Pulse,
    store::{Store, StoreError},
    web::{Closing, Refusal},
};

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long pages wait for new figures when no status changed.
const FIGURES: Duration = Duration::from_secs(10);

/// How long they wait in any case: what they show of the past gets older also when nobody checks.
const LONGEST: Duration = Duration::from_secs(30);

/// How many pages are told; the others look by themselves, less often.
const LISTENERS: usize = 1024;

pub struct Live {
    store: Store,
    snapshots: Arc<Snapshots>,
    places: Arc<Semaphore>,
    /// There as long as somebody listens.
    news: Mutex<Option<watch::Receiver<News>>>,
}

/// What was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct News {
    number: u64,
    /// A status or the list changed, not only figures.
    is_change: bool,
}

impl Live {
    pub fn new(store: Store, snapshots: Arc<Snapshots>) -> Self {
        Self { store, snapshots, places: Arc::new(Semaphore::new(LISTENERS)), news: Mutex::new(None) }
    }

    /// Listens, and makes somebody ask the store if nobody does.
    fn listen(&self) -> watch::Receiver<News> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = &*news
            && news.has_changed().is_ok()
        {
            let mut news = news.clone();
            // What the others were told, a page that was just loaded shows already.
            news.mark_unchanged();
            return news;
        }
        let (tell, heard) = watch::channel(News::default());
        tokio::spawn(Lookout::new(self.store.clone(), Arc::clone(&self.snapshots), tell).stay());
        *news = Some(heard.clone());
        heard
    }

    /// Stops asking when nobody else listens.
    fn leave(&self) {
        if self.places.available_permits() == LISTENERS {
            *self.news.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Asks the store, and tells the pages.
struct Lookout {
    store: Store,
    snapshots: Arc<Snapshots>,
    tell: watch::Sender<News>,
    /// What pages were told of.
    known: Option<Pulse>,
    told: Instant,
}

impl Lookout {
    fn new(store: Store, snapshots: Arc<Snapshots>, tell: watch::Sender<News>) -> Self {
        Self { store, snapshots, tell, known: None, told: Instant::now() }
    }

    /// Looks until nobody listens any more.
    async fn stay(mut self) {
        let mut rounds = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                () = self.tell.closed() => return,
            }
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "the store cannot tell what is new");
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let pulse = self.store.pulse().await?;
        // The first look is what later ones are compared with.
        let known = *self.known.get_or_insert(pulse);
        let is_change = (known.event, known.config_version) != (pulse.event, pulse.config_version);
        let has_figures = known.checked_at != pulse.checked_at;
        let patience = if has_figures { FIGURES } else { LONGEST };
        if is_change || self.told.elapsed() >= patience {
            // It may be of before the change, and is not what those who are told come for.
            self.snapshots.forget().await;
            self.known = Some(pulse);
            self.told = Instant::now();
            self.tell.send_modify(|news| *news = News { number: news.number + 1, is_change });
        }
        Ok(())
    }
}

/// One that listens, and what it takes.
struct Listener {
    news: watch::Receiver<News>,
    closing: Closing,
    live: Arc<Live>,
    place: Option<OwnedSemaphorePermit>,
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
            // Without anything to read yet, some proxies keep the answer to themselves.
            return Some((Ok(Event::default().comment("listening")), self));
        }
        tokio::select! {
            changed = self.news.changed() => changed.ok()?,
            () = self.closing.begun() => return None,
        }
        let news = *self.news.borrow_and_update();
        let name = if news.is_change { "change" } else { "figures" };
        Some((Ok(Event::default().event(name).data(news.number.to_string())), self))
    }
}

/// Where it is `no`, nginx passes an answer on as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An event `change` when a status or the list changed, and `figures` when only figures did.
pub async fn events(State(site): State<Site>, Extension(closing): Extension<Closing>) -> Response {
    let Ok(place) = Arc::clone(&site.live.places).try_acquire_owned() else {
        return Refusal::unavailable("too many pages listen").into_response();
    };
    let news = site.live.listen();
    let listener = Listener { news, closing, live: site.live, place: Some(place), has_begun: false };
    let news = Sse::new(stream::unfold(listener, Listener::next)).keep_alive(KeepAlive::default());
    ([(ACCEL_BUFFERING, "no")], news).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::HubKey,
        model::PeerSpec,
        store::{Location, StoreOptions},
        time::Timestamp,
    };

    /// A lookout that had its first look, and one that listens.
    async fn lookout(folder: &tempfile::TempDir) -> (Lookout, watch::Receiver<News>) {
        let location = Location::Sqlite(folder.path().join("uptime.db"));
        let store = Store::open(StoreOptions::new(location, HubKey::generate()), Timestamp::now()).await.unwrap();
        let (tell, heard) = watch::channel(News::default());
        let snapshots = Arc::new(Snapshots::new(store.clone()));
        let mut lookout = Lookout::new(store, snapshots, tell);
        lookout.look().await.unwrap();
        (lookout, heard)
    }

    #[tokio::test]
    async fn who_is_told_of_a_change_is_shown_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut lookout, heard) = lookout(&folder).await;
        assert_eq!(lookout.snapshots.newest().await.unwrap().nodes.len(), 0);
        let spec = PeerSpec::new("tcp://node.example.net:11010".parse().unwrap());
        lookout.store.add_peer(&spec, Timestamp::now()).await.unwrap();
        lookout.look().await.unwrap();
        assert_eq!(*heard.borrow(), News { number: 1, is_change: true });
        assert_eq!(lookout.snapshots.newest().await.unwrap().nodes.len(), 1);
    }

    #[tokio::test]
    async fn pages_are_told_after_a_while_also_when_nobody_checks() {
        let folder = tempfile::tempdir().unwrap();
        let (mut lookout, heard) = lookout(&folder).await;
        lookout.look().await.unwrap();
        assert_eq!(*heard.borrow(), News::default());
        lookout.told -= LONGEST;
        lookout.look().await.unwrap();
        assert_eq!(*heard.borrow(), News { number: 1, is_change: false });
    }

    #[tokio::test]
    async fn who_comes_later_is_not_told_what_the_others_were() {
        let folder = tempfile::tempdir().unwrap();
        let (lookout, heard) = lookout(&folder).await;
        let live = Live::new(lookout.store.clone(), Arc::clone(&lookout.snapshots));
        *live.news.lock().unwrap() = Some(heard);
        lookout.tell.send_modify(|news| news.number += 1);
        assert!(!live.listen().has_changed().unwrap());
    }
}
