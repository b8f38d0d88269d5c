//! What this database is among the instances of its cluster: the one row of the table `instance`. How it changes its role is in
//! `roles`.

use easytier_probe::Secret;
use hpke::{Deserializable as _, Kem as _, Serializable as _, kem::X25519HkdfSha256};

use super::{Store, rows::without_nul};
use crate::{
    crypto::{HubKey, random},
    db::{Tx, args, sql, work},
    domain::{ClusterId, ConfigVersion, Instance, InstanceId, Leader, Role, SealingKey, Timestamp},
    error::{RoleConflict, StoreError},
};

/// The places to which the encrypted key and token are bound, see [`HubKey::seal`].
pub(super) const KEY_PLACE: &str = "instance.private_key";
pub(super) const TOKEN_PLACE: &str = "instance.token";

#[derive(sqlx::FromRow)]
pub(super) struct InstanceRow {
    database_id: String,
    role: String,
    cluster_id: Option<String>,
    pub epoch: i64,
    accepts_edits: bool,
    primary_id: Option<String>,
    primary_name: Option<String>,
    primary_url: Option<String>,
    synced_epoch: i64,
    synced_version: i64,
    synced_at: Option<Timestamp>,
    sync_error: Option<String>,
    config_version: i64,
}

/// The columns of an [`InstanceRow`].
macro_rules! instance_columns {
    ($engine:ident) => {
        "i.role, i.cluster_id, i.epoch, i.accepts_edits, i.primary_id, i.primary_name, i.primary_url, i.synced_epoch, \
         i.synced_version, i.synced_at, i.sync_error, \
         (SELECT value FROM settings WHERE key = 'database_id') AS database_id, \
         (SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'config_version') AS config_version \
         FROM instance i WHERE i.id = 1"
    };
}

impl InstanceRow {
    pub(super) fn role(&self) -> Result<Role, StoreError> {
        Role::from_name(&self.role).ok_or_else(|| corrupt("role"))
    }

    pub(super) fn cluster(&self) -> Result<Option<ClusterId>, StoreError> {
        self.cluster_id.as_deref().map(|id| id.parse().map_err(|_| corrupt("cluster_id"))).transpose()
    }

    pub(super) fn leader(&self) -> Result<Option<Leader>, StoreError> {
        let Some(id) = &self.primary_id else { return Ok(None) };
        let id = id.parse().map_err(|_| corrupt("primary_id"))?;
        Ok(Some(Leader { id, name: self.primary_name.clone().unwrap_or_default(), url: self.primary_url.clone() }))
    }

    pub(super) fn id(&self) -> Result<InstanceId, StoreError> {
        self.database_id.parse().map_err(|_| StoreError::Corrupt("settings.database_id".into()))
    }

    /// The version of the configuration of a primary that this instance holds.
    pub(super) fn synced(&self) -> ConfigVersion {
        ConfigVersion { epoch: self.synced_epoch, version: self.synced_version }
    }

    pub(super) fn instance(&self) -> Result<Instance, StoreError> {
        let role = self.role()?;
        Ok(Instance {
            id: self.id()?,
            role,
            cluster: self.cluster()?,
            epoch: self.epoch,
            accepts_edits: role != Role::Dependent && self.accepts_edits,
            leader: self.leader()?,
            config: match role {
                Role::Dependent => self.synced(),
                Role::Standalone | Role::Primary => ConfigVersion { epoch: self.epoch, version: self.config_version },
            },
            synced_at: self.synced_at,
            sync_error: self.sync_error.clone(),
        })
    }
}

impl Store {
    /// What this database is among the instances of its cluster.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn instance(&self) -> Result<Instance, StoreError> {
        let row: Option<InstanceRow> = self.db().urgent(sql!("SELECT ", (instance_columns)), vec![]).await?;
        row.ok_or_else(|| corrupt("row"))?.instance()
    }

    /// The key with which others seal secrets for this instance. It is made at the first call, and then stays.
    ///
    /// # Errors
    ///
    /// When the database fails, or the key cannot be decrypted.
    pub async fn sealing_key(&self) -> Result<SealingKey, StoreError> {
        let select = "SELECT private_key FROM instance WHERE id = 1";
        let (stored,): (Option<String>,) = self.db().one(select, vec![]).await?;
        if let Some(stored) = stored {
            return sealing_key_of(open(&self.shared.key, KEY_PLACE, &stored)?);
        }
        let (private, _) = X25519HkdfSha256::derive_keypair(&random::<32>());
        let private = Secret::from(data_encoding::HEXLOWER.encode(&private.to_bytes()));
        let sealed = &seal(&self.shared.key, KEY_PLACE, &private);
        // Another hub may have made one meanwhile: the first one counts.
        let update = "UPDATE instance SET private_key = coalesce(private_key, $1) WHERE id = 1 RETURNING private_key";
        let (stored,): (String,) =
            self.db().transaction(|tx| work(async move { tx.one(update, args![sealed.as_str()]).await })).await?;
        sealing_key_of(open(&self.shared.key, KEY_PLACE, &stored)?)
    }

    /// The primary that this dependent follows and the token that it got there. `None` while it has none: then it registers.
    ///
    /// # Errors
    ///
    /// When the database fails, or the token cannot be decrypted.
    pub async fn primary_token(&self) -> Result<Option<(Leader, Secret)>, StoreError> {
        let select = "SELECT primary_id, primary_name, primary_url, token FROM instance WHERE id = 1";
        let row: (Option<String>, Option<String>, Option<String>, Option<String>) =
            self.db().one(select, vec![]).await?;
        let (Some(id), name, url, Some(token)) = row else { return Ok(None) };
        let id = id.parse().map_err(|_| corrupt("primary_id"))?;
        let leader = Leader { id, name: name.unwrap_or_default(), url };
        Ok(Some((leader, open(&self.shared.key, TOKEN_PLACE, &token)?)))
    }

    /// Stores the token that this dependent got at the primary `of`.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::OtherPrimary`] when it follows another one meanwhile; otherwise when the database fails.
    pub async fn put_primary_token(&self, token: &Secret, of: InstanceId) -> Result<(), StoreError> {
        let sealed = self.sealed_token(token);
        let update = "UPDATE instance SET token = $1 WHERE id = 1 AND role = 'dependent' AND primary_id = $2";
        match self.db().execute(update, args![sealed, of.to_string()]).await? {
            0 => Err(RoleConflict::OtherPrimary.into()),
            _ => Ok(()),
        }
    }

    /// A token for the column `token`.
    pub(super) fn sealed_token(&self, token: &Secret) -> String {
        seal(&self.shared.key, TOKEN_PLACE, token)
    }

    /// Notes that the configuration of this dependent was compared with the primary's at `at`, and is `version` now. It clears
    /// the error of an earlier attempt.
    ///
    /// # Errors
    ///
    /// [`RoleConflict::OtherConfig`] when this instance holds a newer one, or follows no primary of that epoch yet;
    /// [`RoleConflict::WrongRole`] when it is no dependent; otherwise when the database fails.
    pub async fn note_synced(&self, version: ConfigVersion, at: Timestamp) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    let row = lock(tx).await?;
                    match row.role()? {
                        Role::Dependent => {}
                        other => return Err(RoleConflict::WrongRole(other).into()),
                    }
                    let known = row.synced();
                    if version < known || version.epoch > row.epoch {
                        return Err(RoleConflict::OtherConfig { named: version, known }.into());
                    }
                    let update = "UPDATE instance SET synced_epoch = $1, synced_version = $2, synced_at = $3, \
                                  sync_error = NULL WHERE id = 1";
                    tx.execute(update, args![version.epoch, version.version, at]).await.map(drop)
                })
            })
            .await
    }

    /// Notes why a synchronisation failed, in words for the operator, without secrets. It stays until
    /// [`note_synced`](Self::note_synced).
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_sync_error(&self, error: &str) -> Result<(), StoreError> {
        let update = "UPDATE instance SET sync_error = $1 WHERE id = 1 AND sync_error IS DISTINCT FROM $1";
        self.db().execute(update, args![without_nul(error)]).await.map(drop)
    }

    /// The configuration that last decided the role, as [`put_configured_role`](Self::put_configured_role) stored it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn configured_role(&self) -> Result<Option<String>, StoreError> {
        let (configured,) = self.db().one("SELECT configured FROM instance WHERE id = 1", vec![]).await?;
        Ok(configured)
    }

    /// Stores the configuration that decided the role, as JSON without secrets.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_configured_role(&self, configured: &str) -> Result<(), StoreError> {
        let update = "UPDATE instance SET configured = $1 WHERE id = 1";
        self.db().execute(update, args![configured]).await.map(drop)
    }
}

/// The row, which no other transaction changes until the end of this one; it waits for those that edit, see `edits`.
pub(super) async fn lock(tx: &mut Tx) -> Result<InstanceRow, StoreError> {
    tx.execute(sql!(["SELECT 1" | "SELECT id FROM instance WHERE id = 1 FOR UPDATE"]), vec![]).await?;
    tx.one(sql!("SELECT ", (instance_columns)), vec![]).await
}

fn seal(key: &HubKey, place: &str, secret: &Secret) -> String {
    data_encoding::HEXLOWER.encode(&key.seal(place, secret))
}

fn open(key: &HubKey, place: &str, sealed: &str) -> Result<Secret, StoreError> {
    let sealed =
        data_encoding::HEXLOWER.decode(sealed.as_bytes()).map_err(|_| StoreError::Corrupt(place.to_owned()))?;
    Ok(key.open(place, &sealed)?)
}

fn sealing_key_of(private: Secret) -> Result<SealingKey, StoreError> {
    let bytes = data_encoding::HEXLOWER.decode(private.expose().as_bytes()).map_err(|_| corrupt("private_key"))?;
    let key = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(&bytes).map_err(|_| corrupt("private_key"))?;
    Ok(SealingKey { public: X25519HkdfSha256::sk_to_pk(&key).to_bytes().into(), private })
}

fn corrupt(column: &str) -> StoreError {
    StoreError::Corrupt(format!("instance.{column}"))
}
