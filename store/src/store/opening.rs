//! Opening and closing a store.

use std::sync::Arc;

use easytier_probe::Secret;
use tokio::sync::{Notify, watch};

use super::{
    Store,
    duties::Duties,
    ingest::Queue,
    known_peers::KnownPeers,
    live_settings, metadata,
    options::{Location, StoreOptions},
    partitions,
    shared::Shared,
};
use crate::{
    crypto::HubKey,
    db::{Db, args},
    domain::{LiveSettings, Timestamp},
    error::StoreError,
};

impl Store {
    /// Opens the database and migrates it. It must be called on a tokio runtime, on which the store starts the task that
    /// writes results.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, created or migrated, or when its secrets were encrypted with another key.
    pub async fn open(options: StoreOptions, now: Timestamp) -> Result<Self, StoreError> {
        let StoreOptions { location, key, policy, retention, intervals, fixed, cache_mebibytes } = options;
        let db = match &location {
            Location::Sqlite(path) => Db::open_sqlite(path, cache_mebibytes).await?,
            Location::Postgres(url) => Db::open_postgres(url.expose()).await?,
        };
        db.migrate().await?;
        check_key(&db, &key).await?;
        metadata::ensure_database_id(&db).await?;
        let configured = LiveSettings { policy, retention, intervals };
        let (live_settings, known_peers) = (watch::Sender::new(configured), KnownPeers::default());
        let (duties, appended) = (Duties::default(), Notify::new());
        let shared = Arc::new(Shared { db, key, configured, fixed, live_settings, known_peers, duties, appended });
        live_settings::reload(&shared).await?;
        shared.duties.inherit(&shared.db).await?;
        partitions::create_at_start(&shared.db, shared.retention().results, now).await;
        let queue = Queue::start(Arc::clone(&shared));
        Ok(Self { shared, queue })
    }

    /// Stores the results that were handed in, then closes the connections. Later calls fail.
    pub async fn close(&self) {
        self.queue.close().await;
        if let Err(error) = self.shared.duties.release(self.db()).await {
            tracing::debug!(%error, "the duties of this hub are free when their leases expire");
        }
        self.shared.db.close().await;
    }

    /// Checks that the database responds.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db().urgent::<(i64,)>("SELECT CAST(1 AS BIGINT)", vec![]).await.map(drop)
    }
}

/// Checks that `key` is the key with which the secrets in the database are encrypted. The first hub stores a known text
/// encrypted with its key.
async fn check_key(db: &Db, key: &HubKey) -> Result<(), StoreError> {
    const PLACE: &str = "settings.key_check";
    let sealed = data_encoding::HEXLOWER.encode(&key.seal(PLACE, &Secret::from("easytier-uptime")));
    let insert = "INSERT INTO settings (key, value) VALUES ('key_check', $1) ON CONFLICT (key) DO NOTHING";
    db.execute(insert, args![sealed]).await?;
    let (stored,): (String,) = db.one("SELECT value FROM settings WHERE key = 'key_check'", vec![]).await?;
    let stored = data_encoding::HEXLOWER
        .decode(stored.as_bytes())
        .map_err(|error| StoreError::Corrupt(format!("settings.key_check: {error}")))?;
    key.open(PLACE, &stored)?;
    Ok(())
}
