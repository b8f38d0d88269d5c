//! Small facts by name.

use easytier_probe::Secret;
use uuid::Uuid;

use super::{
    Shared, Store, StoreError,
    engine::{Db, Tx, args},
};

const DATABASE_ID: &str = "database_id";

const CONFIG_VERSION: &str = "SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'config_version'";

impl Store {
    /// A setting's value, as it was put.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> =
            self.db().optional("SELECT value FROM settings WHERE key = $1", args![name]).await?;
        Ok(row.map(|(value,)| value))
    }

    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let upsert = "INSERT INTO settings (key, value) VALUES ($1, $2) \
                      ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.db().execute(upsert, args![name, value]).await.map(drop)
    }

    /// A setting that is kept encrypted.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let Some(sealed) = self.setting(name).await? else { return Ok(None) };
        let sealed = data_encoding::HEXLOWER
            .decode(sealed.as_bytes())
            .map_err(|error| StoreError::Corrupt(format!("settings.{name}: {error}")))?;
        Ok(Some(self.shared.key.open(name, &sealed)?))
    }

    pub async fn put_secret(&self, name: &str, secret: &Secret) -> Result<(), StoreError> {
        let sealed = self.shared.key.seal(name, secret);
        self.put_setting(name, &data_encoding::HEXLOWER.encode(&sealed)).await
    }

    /// What tells this database from all others, for as long as it is there.
    pub async fn database_id(&self) -> Result<String, StoreError> {
        self.setting(DATABASE_ID).await?.ok_or_else(|| StoreError::Corrupt(format!("settings.{DATABASE_ID}")))
    }

    /// Grows whenever what probes are given to watch may have changed.
    pub async fn config_version(&self) -> Result<i64, StoreError> {
        config_version(self.db()).await
    }
}

impl Shared {
    /// The first hub on a database gives it its id.
    pub(super) async fn settle_database_id(&self) -> Result<(), StoreError> {
        let insert = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
        self.db.execute(insert, args![DATABASE_ID, Uuid::new_v4().to_string()]).await.map(drop)
    }
}

pub(super) async fn config_version(db: &Db) -> Result<i64, StoreError> {
    db.one::<(i64,)>(CONFIG_VERSION, vec![]).await.map(|(version,)| version)
}

pub(super) async fn config_version_in(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.one::<(i64,)>(CONFIG_VERSION, vec![]).await.map(|(version,)| version)
}

/// To be called first in every transaction that changes what probes are given to watch: until it ends, it is the only
/// one.
pub(super) async fn bump_config_version(tx: &mut Tx) -> Result<(), StoreError> {
    let bump = "UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'config_version'";
    tx.execute(bump, vec![]).await.map(drop)
}
