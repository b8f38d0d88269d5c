//! Single values by name, in the table `settings`: the id of the database, the version of the list of peers, secrets of
//! the process that uses the store.

use easytier_probe::Secret;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::Store;
use crate::{
    db::{self, Db, Tx, args, sql},
    domain::{ClusterId, ConfigVersion, Role},
    error::StoreError,
};

const DATABASE_ID: &str = "database_id";

const UPSERT: &str = "INSERT INTO settings (key, value) VALUES ($1, $2) \
                      ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The id of the cluster that this instance would found: until then, probes that it configures are bound to it.
pub(super) const OWN_CLUSTER: &str = "own_cluster";

/// The epoch of the configuration that this instance holds, and its version. A dependent may have seen a later epoch than that of
/// the configuration that it holds.
const HELD_CONFIG: &str = "SELECT CASE WHEN i.role = 'dependent' THEN i.synced_epoch ELSE i.epoch END, \
                           CAST(s.value AS BIGINT), i.role FROM instance i, settings s WHERE s.key = 'config_version'";

const CONFIG_VERSION: &str = "SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'config_version'";

impl Store {
    /// A secret that [`Store::put_secret`] stored.
    ///
    /// # Errors
    ///
    /// When the database fails, or the secret cannot be decrypted.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let Some(sealed) = value(self.db(), name).await? else { return Ok(None) };
        let sealed = data_encoding::HEXLOWER
            .decode(sealed.as_bytes())
            .map_err(|error| StoreError::Corrupt(format!("settings.{name}: {error}")))?;
        Ok(Some(self.shared.key.open(name, &sealed)?))
    }

    /// Stores a secret, encrypted, under a name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_secret(&self, name: &str, secret: &Secret) -> Result<(), StoreError> {
        let sealed = data_encoding::HEXLOWER.encode(&self.shared.key.seal(name, secret));
        self.db().execute(UPSERT, args![name, sealed]).await.map(drop)
    }

    /// The id of the database, a UUID that never changes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn database_id(&self) -> Result<String, StoreError> {
        let id = value(self.db(), DATABASE_ID).await?;
        id.ok_or_else(|| StoreError::Corrupt(format!("settings.{DATABASE_ID}")))
    }

    /// The version of the list of peers. It grows whenever a list that probes get may have changed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn config_version(&self) -> Result<i64, StoreError> {
        self.db().one::<(i64,)>(CONFIG_VERSION, vec![]).await.map(|(version,)| version)
    }
}

/// The version of the configuration that this instance holds, and its role.
pub(super) async fn held_config(db: &Db) -> Result<(ConfigVersion, Role), StoreError> {
    let row: Option<(i64, i64, String)> = db.urgent(HELD_CONFIG, vec![]).await?;
    let corrupt = || StoreError::Corrupt("instance.role".into());
    let (epoch, version, role) = row.ok_or_else(corrupt)?;
    Ok((ConfigVersion { epoch, version }, Role::from_name(&role).ok_or_else(corrupt)?))
}

/// The version of the configuration that this instance holds, as the transaction sees it.
pub(super) async fn held_config_in(tx: &mut Tx) -> Result<ConfigVersion, StoreError> {
    tx.one(HELD_CONFIG, vec![]).await.map(|(epoch, version, _): (i64, i64, String)| ConfigVersion { epoch, version })
}

pub(super) async fn value(db: &Db, name: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = db.optional("SELECT value FROM settings WHERE key = $1", args![name]).await?;
    Ok(row.map(|(value,)| value))
}

/// The id of the cluster that this instance would found. It is made once, and again after the instance has left a cluster.
pub(super) async fn own_cluster(tx: &mut Tx) -> Result<ClusterId, StoreError> {
    let insert = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    tx.execute(insert, args![OWN_CLUSTER, Uuid::new_v4().to_string()]).await?;
    let id = value_in(tx, OWN_CLUSTER).await?.and_then(|id| id.parse().ok());
    id.ok_or_else(|| StoreError::Corrupt(format!("settings.{OWN_CLUSTER}")))
}

/// A value, as the transaction sees it.
pub(super) async fn value_in(tx: &mut Tx, name: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = tx.optional("SELECT value FROM settings WHERE key = $1", args![name]).await?;
    Ok(row.map(|(value,)| value))
}

/// Stores a value.
pub(super) async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(UPSERT, args![name, value]).await.map(drop)
}

/// Removes a value. Returns whether there was one.
pub(super) async fn remove(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    tx.execute("DELETE FROM settings WHERE key = $1", args![name]).await.map(|rows| rows > 0)
}

/// Sets the id of the database, unless an earlier hub has set it.
pub(super) async fn ensure_database_id(db: &Db) -> Result<(), StoreError> {
    let insert = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    db.execute(insert, args![DATABASE_ID, Uuid::new_v4().to_string()]).await.map(drop)
}

/// The version of the list of peers, as the transaction sees it.
pub(super) async fn config_version(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.one::<(i64,)>(CONFIG_VERSION, vec![]).await.map(|(version,)| version)
}

/// To be called first in every transaction that changes a list that probes get. It locks the version, so that these
/// transactions run one after another.
pub(super) async fn bump_config_version(tx: &mut Tx) -> Result<(), StoreError> {
    let bump = "UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'config_version'";
    tx.execute(bump, vec![]).await.map(drop)
}

/// Locks the version of the list of peers, and returns it: no other transaction changes a list until the end of this one.
pub(super) async fn lock_config_version(tx: &mut Tx) -> Result<i64, StoreError> {
    let lock = sql!("SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'config_version'", ["" | " FOR UPDATE"]);
    tx.one::<(i64,)>(lock, vec![]).await.map(|(version,)| version)
}

/// Sets the version of the list of peers. The transaction holds its lock.
pub(super) async fn set_config_version(tx: &mut Tx, version: i64) -> Result<(), StoreError> {
    let set = "UPDATE settings SET value = $1 WHERE key = 'config_version'";
    tx.execute(set, args![version.to_string()]).await.map(drop)
}

/// How many times the lists changed by adopting another instance's configuration, which may have lowered their version.
pub(super) async fn adoptions(tx: &mut Tx) -> Result<i64, StoreError> {
    let select = "SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'adoptions'";
    Ok(tx.optional::<(i64,)>(select, vec![]).await?.map_or(0, |(count,)| count))
}

/// The number of adoptions and the version of the list of peers: together they differ whenever the list does.
pub(super) async fn list(db: &Db) -> Result<(i64, i64), StoreError> {
    let select = "SELECT coalesce((SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'adoptions'), 0), \
                  CAST(value AS BIGINT) FROM settings WHERE key = 'config_version'";
    db.one(select, vec![]).await
}

/// Counts an adoption. The transaction holds the lock of the version.
pub(super) async fn count_adoption(tx: &mut Tx) -> Result<(), StoreError> {
    let count = adoptions(tx).await? + 1;
    tx.execute(UPSERT, args!["adoptions", count.to_string()]).await.map(drop)
}

/// A value that is JSON, as the transaction sees it; the default when there is none.
pub(super) async fn json<T: DeserializeOwned + Default>(tx: &mut Tx, name: &str) -> Result<T, StoreError> {
    let Some(text) = value_in(tx, name).await? else { return Ok(T::default()) };
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("settings.{name}: {error}")))
}

/// Stores a value as JSON.
pub(super) async fn put_json(tx: &mut Tx, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
    put(tx, name, &db::json(value)?).await
}
