//! The peers to watch: fetched from the backend, and stored in the local database for times when the backend is away.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use easytier_probe::{Backend, BackendError, ListingVersion, Origin, Peer, backend::BackendCall};
use easytier_uptime_store::{PeerListing, Store, StoreError, domain::Timestamp};
use tokio::time::Instant;

use crate::{backend_handle::BackendHandle, checking::Checking};

/// How long it may take to fetch a whole listing.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

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
        let watched = *self.version.lock().unwrap_or_else(PoisonError::into_inner);
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

    async fn mirror(&self, Fetched { peers, complete, version, oldest }: &Fetched) -> Result<(), StoreError> {
        let listing = PeerListing {
            backend: &self.backend_name,
            peers,
            complete: *complete,
            forget_after: self.forget_after,
            version: *oldest,
        };
        self.store.mirror_peers(listing, Timestamp::now()).await?;
        self.watch_stored().await?;
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = *version;
        Ok(())
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
