//! The peers to watch: fetched from the backend, and kept in the local database for when it is away.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use easytier_probe::{Backend, BackendError, Origin, Peer};
use easytier_uptime_store::{
    store::{Listing, Store, StoreError},
    time::Timestamp,
};
use tokio::time::Instant;

use crate::{
    checking::Checking,
    link::Link,
    vitals::{Ask, Vitals},
};

/// How long a whole listing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fetches peers.
pub struct PeerList {
    pub store: Store,
    /// By which the backend is known in the store.
    pub backend: String,
    pub link: Link,
    pub forget_after: Duration,
    pub checking: Arc<Checking>,
    pub vitals: Arc<Vitals>,
    /// The version of the backend's list that is watched, where the backend tells one.
    pub applied: Mutex<Option<i64>>,
}

/// All pages of a listing.
struct Fetched {
    peers: Vec<Peer>,
    /// It lists all the backend has.
    complete: bool,
    /// Of the list, if all pages are of the same.
    version: Option<i64>,
}

impl PeerList {
    /// Fetches the peers, and watches what is listed. When the backend is away nothing changes.
    pub async fn fetch(&self) {
        let Some(backend) = self.link.now().filter(|_| self.vitals.may_ask(Ask::Peers)) else { return };
        let fetched = match fetch(&backend, self.applied()).await {
            Ok(fetched) => fetched,
            Err(error) => return self.vitals.backend_failed(Ask::Peers, &error),
        };
        self.vitals.backend_answered(Ask::Peers);
        let Some(fetched) = fetched else { return };
        if let Err(error) = self.mirror(&fetched).await {
            tracing::error!(%error, "the peers that were fetched cannot be stored; those of before are watched");
        }
    }

    fn applied(&self) -> Option<i64> {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the peers of the last good fetch.
    pub async fn watch_known(&self) -> Result<(), StoreError> {
        let peers = self.store.mirrored_peers(&self.backend).await?;
        self.checking.set_peers(peers.into_iter().map(|peer| peer.to_check(Origin::Remote)).collect());
        Ok(())
    }

    async fn mirror(&self, Fetched { peers, complete, version }: &Fetched) -> Result<(), StoreError> {
        let listing = Listing { backend: &self.backend, peers, complete: *complete, forget_after: self.forget_after };
        self.store.mirror_peers(listing, Timestamp::now()).await?;
        self.watch_known().await?;
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = *version;
        Ok(())
    }
}

/// The peers, or `None` when the backend's list is of the version that is watched already.
async fn fetch(backend: &Backend, applied: Option<i64>) -> Result<Option<Fetched>, BackendError> {
    let deadline = Instant::now() + PATIENCE;
    let first = backend.peers_page(None, deadline).await?;
    let version = first.config_version;
    if applied.is_some() && version == applied {
        return Ok(None);
    }
    let mut fetched = Fetched { peers: first.peers, complete: first.complete_listing, version };
    let mut cursor = first.next;
    while cursor.is_some() {
        let page = backend.peers_page(cursor, deadline).await?;
        fetched.complete &= page.complete_listing;
        // It changed while it was fetched, and is fetched anew the next time.
        fetched.version = fetched.version.filter(|version| page.config_version == Some(*version));
        fetched.peers.extend(page.peers);
        cursor = page.next;
    }
    Ok(Some(fetched))
}
