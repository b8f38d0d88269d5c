//! Opening and closing a store.

use std::{path::Path, sync::Arc};

use easytier_probe::Secret;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::{
    Store,
    audit::Failures,
    calendar::Calendar,
    duties::Duties,
    hubs,
    ingest::Queue,
    key_check,
    known_peers::KnownPeers,
    last_capture::LastCapture,
    last_uses::LastUses,
    live_settings, metadata,
    options::{Access, Location, StoreOptions},
    partitions,
    relay_tests::RelayTests,
    rotation,
    shared::Shared,
};
use crate::{
    crypto::HubKey,
    db::{Applied, Db, FileLock, Standing, contents, network_file_system},
    domain::{LiveSettings, Timestamp},
    error::StoreError,
    pulse::Pulses,
    refusal::PROGRAM,
};

/// A database that this program may work on.
struct Opened {
    db: Db,
    /// Its migrations before it was opened.
    applied: Vec<Applied>,
    lock: Option<FileLock>,
}

impl Store {
    /// Opens the database. It must be called on a tokio runtime, on which the store starts the task that writes results.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when this process may not open it; when the database cannot be reached, created or
    /// upgraded, or when its secrets were encrypted with another key.
    pub async fn open(options: StoreOptions, now: Timestamp) -> Result<Self, StoreError> {
        let StoreOptions {
            location,
            access,
            key,
            policy,
            retention,
            relay_interval,
            intervals,
            fixed,
            cache_mebibytes,
        } = options;
        let Opened { db, applied, lock } = match &location {
            Location::Sqlite(path) => open_sqlite(path, access, cache_mebibytes).await?,
            Location::Postgres(url) => open_postgres(url, access).await?,
        };
        check_key(&db, &key, &applied).await?;
        match (db.engine().compare(&applied), access) {
            (Standing::Newer, _) | (Standing::Older, Access::Change | Access::Read) => {
                return Err(db.mismatch(&applied).await.into());
            }
            (Standing::Older, Access::Serve) => upgrade(&db, &applied).await?,
            (Standing::Current, Access::Serve) => hubs::look_for_older(&db, &applied).await?,
            (Standing::Current, Access::Change | Access::Read) => {}
        }
        let hub = match access {
            Access::Serve => {
                key_check::ensure(&db, &key).await?;
                metadata::ensure_database_id(&db).await?;
                if let Location::Sqlite(path) = &location {
                    rotation::settle(path, &key, now)?;
                }
                register(&db, &key).await?
            }
            Access::Change | Access::Read => None,
        };
        let configured = LiveSettings { policy, retention, relay_interval, intervals };
        let (live_settings, known_peers) = (watch::Sender::new(configured), KnownPeers::default());
        let (duties, appended, last_uses) = (Duties::new(hub), Notify::new(), LastUses::default());
        let (clock, postponed, pulses) = (watch::Sender::default(), watch::Sender::default(), Pulses::default());
        let shared = Shared {
            db,
            key,
            configured,
            fixed,
            live_settings,
            known_peers,
            last_uses,
            auth_failures: Failures::default(),
            last_capture: LastCapture::default(),
            calendar: Calendar::default(),
            duties,
            appended,
            hub,
            lock,
            clock,
            postponed,
            pulses,
            relay_tests: RelayTests::default(),
            file: match location {
                Location::Sqlite(path) => Some(path),
                Location::Postgres(_) => None,
            },
        };
        let shared = Arc::new(shared);
        if access == Access::Serve {
            live_settings::seed(&shared, now).await?;
        }
        live_settings::reload(&shared).await?;
        if access == Access::Serve {
            shared.duties.inherit(&shared.db).await?;
            partitions::create_at_start(&shared.db, shared.retention().results, now).await;
        }
        let queue = Queue::start(Arc::clone(&shared));
        Ok(Self { shared, queue })
    }

    /// Stores the results that were handed in, then closes the connections. Later calls fail.
    pub async fn close(&self) {
        self.queue.close().await;
        if let Err(error) = self.store_auth_failures().await {
            tracing::debug!(%error, "the last failed authentications are not in the audit log");
        }
        let Shared { db, duties, hub, lock, .. } = &*self.shared;
        if let Err(error) = duties.release(db).await {
            tracing::debug!(%error, "the duties of this hub are free when their leases expire");
        }
        if let Some(id) = hub
            && let Err(error) = hubs::remove(db, *id).await
        {
            tracing::debug!(%error, "the other hubs see in a minute that this one has ended");
        }
        db.close().await;
        if let Some(lock) = lock {
            lock.release();
        }
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

async fn open_sqlite(path: &Path, access: Access, cache_mebibytes: u32) -> Result<Opened, StoreError> {
    // Before anything is written: the lock makes a file too.
    let applied = contents::of_sqlite(path).await?;
    let (db, lock) = match access {
        Access::Serve => {
            let lock = FileLock::acquire(path)?;
            if let Some(system) = network_file_system(path) {
                tracing::warn!(
                    file = %path.display(),
                    system,
                    "the database is on a file system that other machines share: SQLite is safe there only as long as \
                     no process of another machine opens it, and it may lose data when the connection to the server is \
                     lost; use a local disk, or PostgreSQL (DATABASE_URL)"
                );
            }
            (Db::create_sqlite(path, cache_mebibytes).await?, Some(lock))
        }
        Access::Change => (Db::open_sqlite(path, cache_mebibytes).await?, None),
        Access::Read => (Db::read_sqlite(path, cache_mebibytes).await?, None),
    };
    Ok(Opened { db, applied, lock })
}

async fn open_postgres(url: &Secret, access: Access) -> Result<Opened, StoreError> {
    let purpose = if access == Access::Serve { "hub" } else { "command" };
    // Programs that do not register themselves have no version in the name.
    let db = Db::open_postgres(url.expose(), &format!("easytier-uptime {PROGRAM} {purpose}")).await?;
    let applied = contents::of_postgres(&db).await?;
    Ok(Opened { db, applied, lock: None })
}

/// Registers a hub; returns its id. The key may have been changed until then: afterwards nobody changes it any more.
async fn register(db: &Db, key: &HubKey) -> Result<Option<Uuid>, StoreError> {
    let Some(id) = hubs::register(db).await? else { return Ok(None) };
    if let Err(error) = key_check::compare(db, key).await {
        hubs::remove(db, id).await?;
        return Err(error);
    }
    Ok(Some(id))
}

/// Migrates the database, if no hub uses it that this would break.
async fn upgrade(db: &Db, applied: &[Applied]) -> Result<(), StoreError> {
    hubs::look_for_older(db, applied).await?;
    let to = db.engine().newest();
    if let Some(from) = applied.iter().map(|migration| migration.version).max() {
        tracing::info!(from, to, "upgrading the database to the schema of this version");
    }
    db.migrate().await
}

/// Checks that `key` is the key with which the secrets in the database are encrypted, before anything is changed.
async fn check_key(db: &Db, key: &HubKey, applied: &[Applied]) -> Result<(), StoreError> {
    match applied.is_empty() {
        true => Ok(()),
        false => key_check::compare(db, key).await,
    }
}
