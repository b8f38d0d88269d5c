//! The peers to watch: fetched from the backend, and kept in the local database for when it is away.

use std::{sync::Arc, time::Duration};

use easytier_probe::{Backend, BackendError, Origin, Peer};
use easytier_uptime_hub::{
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
}

/// All pages of a listing.
struct Fetched {
    peers: Vec<Peer>,
    /// It lists all the backend has.
    complete: bool,
}

impl PeerList {
    /// Fetches the peers, and watches what is listed. When the backend is away nothing changes.
    pub async fn fetch(&self) {
        let Some(backend) = self.link.now().filter(|_| self.vitals.may_ask(Ask::Peers)) else { return };
        match fetch(&backend).await {
            Ok(fetched) => {
                self.vitals.backend_answered(Ask::Peers);
                if let Err(error) = self.mirror(&fetched).await {
                    tracing::error!(%error, "the peers that were fetched cannot be stored; those of before are watched");
                }
            }
            Err(error) => self.vitals.backend_failed(Ask::Peers, &error),
        }
    }

    /// Watches the peers of the last good fetch.
    pub async fn watch_known(&self) -> Result<(), StoreError> {
        let peers = self.store.mirrored_peers(&self.backend).await?;
        self.checking.set_peers(peers.into_iter().map(|peer| peer.to_check(Origin::Remote)).collect());
        Ok(())
    }

    async fn mirror(&self, Fetched { peers, complete }: &Fetched) -> Result<(), StoreError> {
        let listing = Listing { backend: &self.backend, peers, complete: *complete, forget_after: self.forget_after };
        self.store.mirror_peers(listing, Timestamp::now()).await?;
        self.watch_known().await
    }
}

async fn fetch(backend: &Backend) -> Result<Fetched, BackendError> {
    let deadline = Instant::now() + PATIENCE;
    let mut fetched = Fetched { peers: Vec::new(), complete: true };
    let mut cursor = None;
    loop {
        let page = backend.peers_page(cursor, deadline).await?;
        fetched.complete &= page.complete_listing;
        fetched.peers.extend(page.peers);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(fetched);
        }
    }
}
