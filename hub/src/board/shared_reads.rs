//! What visitors read from the database: once for all who ask for the same within some seconds, and for few at the same time.

use std::{hash::Hash, sync::Arc, time::Duration};

use easytier_uptime_monitor::{Party, Readers, Refusal};
use moka::future::Cache;

use super::Freshness;

/// What was read lately, by key. Clones share it.
pub struct SharedReads<K, V> {
    readers: Readers,
    kept: Cache<K, Arc<V>>,
}

// Derived, it would ask for clones of the values too.
impl<K, V> Clone for SharedReads<K, V> {
    fn clone(&self) -> Self {
        Self { readers: self.readers.clone(), kept: self.kept.clone() }
    }
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> SharedReads<K, V> {
    /// Keeps up to `room` values, each for `lifetime`; none with [`Freshness::Exact`].
    pub fn new(readers: &Readers, freshness: Freshness, room: u64, lifetime: Duration) -> Self {
        // A cache without room keeps nothing.
        let room = if freshness == Freshness::Exact { 0 } else { room };
        Self { readers: readers.clone(), kept: Cache::builder().max_capacity(room).time_to_live(lifetime).build() }
    }

    /// The value for `key`, which `read` reads when nobody did lately. Who asks while it is read waits for the same. `party`:
    /// who asks.
    ///
    /// # Errors
    ///
    /// When too many reads wait; when `read` fails.
    pub async fn get(
        &self,
        party: Party,
        key: K,
        read: impl Future<Output = Result<V, Refusal>>,
    ) -> Result<Arc<V>, Refusal> {
        if let Some(known) = self.kept.get(&key).await {
            return Ok(known);
        }
        // Each visitor has a turn of its own: nobody waits for the turn of a party that has used up its own.
        let _turn = self.readers.turn(party).await?;
        let read = async { read.await.map(Arc::new) };
        self.kept.try_get_with(key, read).await.map_err(|refusal| Refusal::clone(&refusal))
    }
}
