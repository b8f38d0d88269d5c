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

use super::Site;
use crate::{
    api::{Closing, error::Refusal},
    model::Pulse,
    store::Store,
};

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long pages wait for new figures when no status changed.
const FIGURES: Duration = Duration::from_secs(10);

/// How many pages are told; the others look by themselves, less often.
const LISTENERS: usize = 1024;

pub struct Live {
    store: Store,
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
    pub fn new(store: Store) -> Self {
        Self { store, places: Arc::new(Semaphore::new(LISTENERS)), news: Mutex::new(None) }
    }

    /// Listens, and makes somebody ask the store if nobody does.
    fn listen(&self) -> watch::Receiver<News> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = &*news
            && news.has_changed().is_ok()
        {
            return news.clone();
        }
        let (tell, mut heard) = watch::channel(News::default());
        tokio::spawn(watch_store(self.store.clone(), tell));
        heard.mark_unchanged();
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

/// Asks the store until nobody listens any more.
async fn watch_store(store: Store, tell: watch::Sender<News>) {
    let mut known: Option<Pulse> = None;
    let mut told = Instant::now();
    let mut rounds = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = tell.closed() => return,
        }
        let pulse = match store.pulse().await {
            Ok(pulse) => pulse,
            Err(error) => {
                tracing::debug!(%error, "the store cannot tell what is new");
                continue;
            }
        };
        let Some(before) = known.replace(pulse) else { continue };
        let is_change = (before.event, before.config_version) != (pulse.event, pulse.config_version);
        let has_figures = before.checked_at != pulse.checked_at;
        if is_change || (has_figures && told.elapsed() >= FIGURES) {
            told = Instant::now();
            tell.send_modify(|news| *news = News { number: news.number + 1, is_change });
        } else if has_figures {
            // They are told when it is time.
            known = Some(Pulse { checked_at: before.checked_at, ..pulse });
        }
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

/// An event `change` when a status or the list changed, and `figures` when only figures did.
pub async fn events(State(site): State<Site>, Extension(closing): Extension<Closing>) -> Response {
    let Ok(place) = Arc::clone(&site.live.places).try_acquire_owned() else {
        return Refusal::unavailable("too many pages listen").into_response();
    };
    let news = site.live.listen();
    let listener = Listener { news, closing, live: site.live, place: Some(place), has_begun: false };
    Sse::new(stream::unfold(listener, Listener::next)).keep_alive(KeepAlive::default()).into_response()
}
