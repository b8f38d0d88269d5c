//! The peers to watch: fetched from the backend, and stored in the local database for times when the backend is away.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use easytier_probe::{
    Backend, BackendError, ListingVersion, Origin, Peer,
    backend::{BackendCall, BaseUrl},
};
use easytier_uptime_store::{
    PeerListing, PushedKey, Store, StoreError, TakenPush,
    domain::{PushConflict, PushedConfig, Timestamp},
};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use crate::{backend_handle::BackendHandle, checking::Checking};

/// How long it may take to fetch a whole listing.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// The name in the store of the backend with these base URLs.
pub async fn backend_name(store: &Store, urls: &[BaseUrl]) -> Result<String, StoreError> {
    let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
    let known = store.known_backend(&urls).await?;
    Ok(known.or_else(|| urls.first().cloned()).unwrap_or_default())
}

/// Fetches peers.
pub struct PeerList {
    pub store: Store,
    /// The name of the backend in the store.
    pub backend_name: String,
    pub backend: BackendHandle,
    /// How long a peer is watched that an incomplete listing no longer contains.
    pub forget_after: Duration,
    pub checking: Arc<Checking>,
    /// The version of the listing that is watched, if the backend sends one.
    pub version: Mutex<Option<ListingVersion>>,
    /// The version of the list that a hub pushed last. While lists are changed it is locked.
    pub pushed: AsyncMutex<Option<ListingVersion>>,
}

/// A list of peers that a hub pushed, with what came with it.
pub struct Push<'a> {
    pub key: &'a PushedKey,
    pub config: &'a PushedConfig,
    pub peers: &'a [Peer],
}

impl Push<'_> {
    fn version(&self) -> ListingVersion {
        self.config.version.config.into()
    }

    /// Takes it, with the peers as those of this backend, if the probe may.
    pub async fn store(
        &self,
        store: &Store,
        backend: &str,
        forget_after: Duration,
    ) -> Result<Result<TakenPush, PushConflict>, StoreError> {
        let version = Some(self.version());
        let listing = PeerListing { backend, peers: self.peers, complete: true, forget_after, version };
        store.take_pushed(self.key, self.config, listing, Timestamp::now()).await
    }
}

/// All pages of a listing.
struct Fetched {
    peers: Vec<Peer>,
    /// Whether the listing contains all peers of the backend.
    complete: bool,
    /// The version of the listing, if it is the same on all pages.
    version: Option<ListingVersion>,
    /// The oldest version of a page.
    oldest: Option<ListingVersion>,
}

impl PeerList {
    /// Fetches the listing and watches its peers. If that fails, the peers stay the same.
    pub async fn fetch(&self) {
        let watched = *self.watched();
        let fetch = async |backend: Backend| fetch(&backend, watched).await;
        let Some(Some(fetched)) = self.backend.scheduled(BackendCall::Peers, fetch).await else { return };
        if let Err(error) = self.mirror(&fetched).await {
            tracing::error!(%error, "the fetched peers cannot be stored; the previous ones are watched");
        }
    }

    /// Watches the peers of the last successful fetch.
    pub async fn watch_stored(&self) -> Result<(), StoreError> {
        // The version before the peers: they are at least as new.
        let version = self.store.held_config().await?;
        let peers = self.store.mirrored_peers(&self.backend_name).await?;
        self.checking.set_peers(peers.into_iter().map(|peer| peer.to_check(Origin::Remote, version)).collect());
        Ok(())
    }

    /// Takes what a hub pushed, and watches its peers, unless a newer list was fetched.
    pub async fn take(&self, push: &Push<'_>) -> Result<Result<TakenPush, PushConflict>, StoreError> {
        let mut pushed = self.pushed.lock().await;
        let taken = push.store(&self.store, &self.backend_name, self.forget_after).await?;
        if let Ok(TakenPush { has_new_peers, .. }) = &taken {
            *pushed = Some(push.version());
            // Also those of a push that could be stored, but not watched.
            if *self.watched() < *pushed {
                self.watch_stored().await?;
            }
            if *has_new_peers {
                *self.watched() = *pushed;
            }
        }
        Ok(taken)
    }

    async fn mirror(&self, Fetched { peers, complete, version, oldest }: &Fetched) -> Result<(), StoreError> {
        let pushed = self.pushed.lock().await;
        // Of two lists the newer one counts, however each came.
        if *oldest < *pushed {
            tracing::debug!(?oldest, ?pushed, "the fetched list of peers is older than the one that a hub pushed");
            return Ok(());
        }
        let listing = PeerListing {
            backend: &self.backend_name,
            peers,
            complete: *complete,
            forget_after: self.forget_after,
            version: *oldest,
        };
        self.store.mirror_peers(listing, Timestamp::now()).await?;
        self.watch_stored().await?;
        *self.watched() = *version;
        Ok(())
    }

    fn watched(&self) -> MutexGuard<'_, Option<ListingVersion>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole listing; `None` if its version is the one that is watched already.
async fn fetch(backend: &Backend, watched: Option<ListingVersion>) -> Result<Option<Fetched>, BackendError> {
    let deadline = Instant::now() + FETCH_TIMEOUT;
    let first = backend.peers_page(None, deadline).await?;
    let version = first.version;
    if watched.is_some() && version == watched {
        return Ok(None);
    }
    let mut fetched = Fetched { peers: first.peers, complete: first.complete_listing, version, oldest: version };
    let mut cursor = first.next;
    while cursor.is_some() {
        let page = backend.peers_page(cursor, deadline).await?;
        fetched.complete &= page.complete_listing;
        // If it changed meanwhile, it must be fetched again the next time.
        fetched.version = fetched.version.filter(|version| page.version == Some(*version));
        fetched.oldest = fetched.oldest.min(page.version);
        fetched.peers.extend(page.peers);
        cursor = page.next;
    }
    Ok(Some(fetched))
}
