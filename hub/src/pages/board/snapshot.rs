//! All nodes at one moment. All readers within a second share one snapshot, so that the load on the database does not grow
//! with the number of readers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use easytier_uptime_store::{
    Store, StoreError,
    domain::{NodeView, Timestamp},
};
use tokio::sync::Mutex;

/// How long a snapshot is served.
const LIFETIME: Duration = Duration::from_secs(1);

/// A snapshot is served for at least this many times the time that it took to read.
const READ_TIME_FACTOR: u32 = 10;

/// The nodes at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub at: Timestamp,
    /// By id.
    pub nodes: Vec<NodeView>,
}

/// The newest snapshot, read from the store when a reader needs it.
pub struct Snapshots {
    store: Store,
    newest: Mutex<Option<(Arc<Snapshot>, Instant)>>,
}

impl Snapshots {
    pub fn new(store: Store) -> Self {
        Self { store, newest: Mutex::new(None) }
    }

    /// The newest snapshot. Readers that arrive while it is read wait for it.
    pub async fn newest(&self) -> Result<Arc<Snapshot>, StoreError> {
        let mut newest = self.newest.lock().await;
        if let Some((snapshot, expires_at)) = &*newest
            && Instant::now() < *expires_at
        {
            return Ok(Arc::clone(snapshot));
        }
        let (started, at) = (Instant::now(), Timestamp::now());
        let snapshot = Arc::new(Snapshot { at, nodes: self.store.overview(at).await? });
        let expires_at = Instant::now() + LIFETIME.max(started.elapsed() * READ_TIME_FACTOR);
        *newest = Some((Arc::clone(&snapshot), expires_at));
        Ok(snapshot)
    }

    /// Drops the newest snapshot, because it may lack a change. A snapshot that took long to read is kept until it expires.
    pub async fn invalidate(&self) {
        let soon = Instant::now() + LIFETIME;
        self.newest.lock().await.take_if(|(_, expires_at)| *expires_at <= soon);
    }
}
