//! All nodes as they were a moment ago. Everybody who looks at the list within a second sees the same, so that thousands
//! of readers cost the database no more than one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    model::NodeView,
    store::{Store, StoreError},
    time::Timestamp,
};

/// How long a snapshot is shown.
const FRESH: Duration = Duration::from_secs(1);

/// A list that takes long to read is shown so many times longer than that.
const PATIENCE: u32 = 10;

/// The nodes at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub at: Timestamp,
    /// In the order of ids.
    pub nodes: Vec<NodeView>,
}

pub struct Snapshots {
    store: Store,
    newest: Mutex<Option<(Arc<Snapshot>, Instant)>>,
}

impl Snapshots {
    pub fn new(store: Store) -> Self {
        Self { store, newest: Mutex::new(None) }
    }

    /// The newest one. Who comes while it is read waits for that one.
    pub async fn newest(&self) -> Result<Arc<Snapshot>, StoreError> {
        let mut newest = self.newest.lock().await;
        if let Some((snapshot, until)) = &*newest
            && Instant::now() < *until
        {
            return Ok(Arc::clone(snapshot));
        }
        let (started, at) = (Instant::now(), Timestamp::now());
        let snapshot = Arc::new(Snapshot { at, nodes: self.store.overview(at).await? });
        let until = Instant::now() + FRESH.max(started.elapsed() * PATIENCE);
        *newest = Some((Arc::clone(&snapshot), until));
        Ok(snapshot)
    }

    /// Makes the next reader read anew: there is something that the newest one may not show. What took long to read is
    /// shown as long as ever.
    pub async fn forget(&self) {
        let soon = Instant::now() + FRESH;
        self.newest.lock().await.take_if(|(_, until)| *until <= soon);
    }
}
