//! What instances share: capturing what changed here, and adopting what changed elsewhere.
//!
//! The rows are what counts. Whoever changes them need not know about synchronisation: before anything is exchanged,
//! `capture` compares the rows with what was known of them, and gives a version to what differs.

mod adopt;
mod capture;
mod check;
mod conflicts;
mod hash_again;
mod ids;
mod moves;
mod read;
mod records;
mod uids;
mod write;

use std::sync::Arc;

use self::capture::Captured;
pub(super) use self::{capture::capture, hash_again::hash_again};
use super::Store;
use crate::{
    db::{Tx, sql, work},
    domain::{Content, ObjectState, SharedConfig, SyncedObject, Timestamp},
    error::StoreError,
};

/// What the shared rows look like from outside: it differs whenever one of them was changed, and costs little to read. All
/// changes of peers count up the version of the lists.
macro_rules! stamp {
    ($engine:ident) => {
        "SELECT concat_ws('-', (SELECT value FROM settings WHERE key = 'config_version'), \
         (SELECT value FROM settings WHERE key = 'adoptions'), \
         (SELECT concat_ws('-', role, epoch, synced_epoch) FROM instance), \
         (SELECT string_agg(name || '=' || value, ',') FROM tuning), \
         (SELECT string_agg(name, ',') FROM regions), \
         (SELECT concat_ws('-', count(*), max(id), sum(id * region_id), sum(CASE WHEN named THEN 1 ELSE 0 END)) FROM probes), \
         (SELECT concat_ws('-', count(*), max(id), sum(uses), count(revoked_at)) FROM credentials), \
         (SELECT concat_ws('-', count(*), max(id), sum(updated_at)) FROM channels), \
         (SELECT concat_ws('-', count(*), sum(id), sum(updated_at)) FROM maintenance_windows), \
         (SELECT concat_ws('-', count(*), max(counter), count(deleted_at)) FROM synced_objects))"
    };
}

impl Store {
    /// Everything that this instance shares. What changed since the last call gets its version first, whoever changed it. While
    /// nothing changes this reads a few counts.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn shared_config(&self, now: Timestamp) -> Result<Arc<SharedConfig>, StoreError> {
        let (stamp,): (String,) = self.db().one(sql!((stamp)), vec![]).await?;
        if let Some(config) = self.shared.last_capture.get(&stamp) {
            return Ok(config);
        }
        let key = &self.shared.key;
        let captured = self.db().transaction(|tx| {
            work(async move {
                // Before the rows: what changes in between is found by the next call.
                let (stamp,): (String,) = tx.one(sql!((stamp)), vec![]).await?;
                let captured = capture(tx, key, Some(now)).await?;
                let highest = ids::highest(tx).await?;
                Ok((stamp, shared_config(captured, highest)))
            })
        });
        let (stamp, config) = captured.await?;
        let config = Arc::new(config);
        self.shared.last_capture.put(stamp, &config);
        Ok(config)
    }
}

/// Forgets what was shared with other instances: this one joins a cluster, or leaves it.
pub(super) async fn forget(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute("DELETE FROM synced_objects", vec![]).await.map(drop)
}

fn shared_config(captured: Captured, highest_peer_id: i64) -> SharedConfig {
    let version = captured.config_version();
    let own = captured.held.iter().filter(|(_, held)| held.made_here).map(|(key, _)| key.clone()).collect();
    let objects: Vec<SyncedObject> = captured.held.into_values().map(|held| held.object).collect();
    let last_modified = objects.iter().filter_map(changed_at).max();
    let instance = Some(captured.me.id);
    SharedConfig { version, instance, own, last_modified, highest_peer_id, seen: captured.seen, more: false, objects }
}

/// When an object was last changed, if its content says so.
fn changed_at(object: &SyncedObject) -> Option<Timestamp> {
    match &object.state {
        ObjectState::Deleted(at) => Some(*at),
        ObjectState::Present(Content::Peer(peer)) => Some(peer.updated_at),
        ObjectState::Present(Content::Channel(channel)) => Some(channel.updated_at),
        ObjectState::Present(Content::Probe(probe)) => Some(probe.created_at),
        ObjectState::Present(Content::Credential(credential)) => {
            Some(credential.revoked_at.unwrap_or(credential.created_at))
        }
        ObjectState::Present(Content::Maintenance(window)) => Some(window.updated_at),
        ObjectState::Present(Content::Region | Content::Setting(_)) => None,
    }
}
