//! The configuration that a hub pushed to the probe with this database: one sealed value in `settings`, so that it is there as a
//! whole or not at all.

use easytier_probe::Secret;

use super::{
    Store, metadata,
    mirror::{self, PeerListing},
    shared::Shared,
};
use crate::{
    crypto::HubKey,
    db::{self, Tx, work},
    domain::{PeerRecord, PushConflict, PushedConfig, Timestamp},
    error::StoreError,
};

/// The name of the value.
const NAME: &str = "pushed_config";

/// The purpose of the key that seals it.
const PURPOSE: &str = "easytier-uptime pushed configuration";

/// Seals what was pushed to a probe. It follows from the token with which a hub controls the probe, or from the probe's own.
#[derive(Debug, Clone)]
pub struct PushedKey(HubKey);

impl PushedKey {
    /// The key that follows from this token.
    pub fn of(token: &Secret) -> Self {
        Self(HubKey::derived(token, PURPOSE))
    }
}

/// What a probe holds of what was pushed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldPushed {
    /// Nothing.
    Nothing,
    /// Something that was sealed with another key, or by another version of this program.
    Unreadable,
    /// This.
    Config(Box<PushedConfig>),
}

impl HeldPushed {
    /// What can be read.
    pub fn config(self) -> Option<PushedConfig> {
        match self {
            Self::Config(config) => Some(*config),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

/// What became of a configuration that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenPush {
    /// What is held from now on.
    pub held: PushedConfig,
    /// Whether its peers are now the ones to check. They are not when a newer list was fetched before, or the same one.
    pub has_new_peers: bool,
}

impl Store {
    /// What [`take_pushed`](Self::take_pushed) stored last.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn held_pushed(&self, key: &PushedKey) -> Result<HeldPushed, StoreError> {
        let sealed = metadata::value(self.db(), NAME).await?;
        open(key, sealed.as_deref())
    }

    /// Takes a configuration, unless that conflicts with the one that is held: all of it in one transaction, or nothing. What
    /// cannot be read with `key` counts as nothing. An enrollment that is held stays when the configuration has none. `listing` is
    /// its list of peers, which is mirrored like a fetched one unless a newer one was mirrored before.
    ///
    /// # Errors
    ///
    /// When the database fails. The inner error is the conflict; then nothing was changed.
    pub async fn take_pushed(
        &self,
        key: &PushedKey,
        pushed: &PushedConfig,
        listing: PeerListing<'_>,
        now: Timestamp,
    ) -> Result<Result<TakenPush, PushConflict>, StoreError> {
        let records = &self.export_peers().await?;
        self.db().transaction(|tx| work(take(tx, &self.shared, key, pushed, listing, records, now))).await
    }

    /// Forgets what was pushed, and which lists were mirrored, so that the next push may be of any cluster and version. The peers and
    /// their history stay. Returns whether there was anything.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_pushed(&self) -> Result<bool, StoreError> {
        self.db().transaction(|tx| work(forget(tx))).await
    }
}

async fn take(
    tx: &mut Tx,
    shared: &Shared,
    key: &PushedKey,
    pushed: &PushedConfig,
    listing: PeerListing<'_>,
    records: &[PeerRecord],
    now: Timestamp,
) -> Result<Result<TakenPush, PushConflict>, StoreError> {
    metadata::lock_config_version(tx).await?;
    let held = open(key, metadata::value_in(tx, NAME).await?.as_deref())?.config();
    if let Err(conflict) = pushed.version.may_follow(held.as_ref().map(|held| &held.version)) {
        return Ok(Err(conflict));
    }
    let enrollment = pushed.enrollment.clone().or(held.and_then(|held| held.enrollment));
    let held = PushedConfig { enrollment, ..pushed.clone() };
    let sealed = key.0.seal(NAME, &db::json(&held)?.into());
    metadata::put(tx, NAME, &data_encoding::HEXLOWER.encode(&sealed)).await?;
    // Of two lists the newer one counts, however each came.
    let has_new_peers = mirror::version_in(tx, listing.backend).await? < listing.version;
    if has_new_peers {
        mirror::apply(tx, shared, listing, records, now).await?;
    }
    Ok(Ok(TakenPush { held, has_new_peers }))
}

async fn forget(tx: &mut Tx) -> Result<bool, StoreError> {
    mirror::forget_versions(tx).await?;
    metadata::remove(tx, NAME).await
}

fn open(key: &PushedKey, sealed: Option<&str>) -> Result<HeldPushed, StoreError> {
    let Some(sealed) = sealed else { return Ok(HeldPushed::Nothing) };
    let sealed = data_encoding::HEXLOWER
        .decode(sealed.as_bytes())
        .map_err(|error| StoreError::Corrupt(format!("settings.{NAME}: {error}")))?;
    let Ok(text) = key.0.open(NAME, &sealed) else { return Ok(HeldPushed::Unreadable) };
    // An older version of this program may not know all of it.
    Ok(serde_json::from_str(text.expose()).map_or(HeldPushed::Unreadable, HeldPushed::Config))
}
