//! What instances share: the configuration, and results for those that mirror the primary.

use std::sync::{Arc, PoisonError};

use easytier_uptime_store::{
    StoreError,
    domain::{ClusterId, InstanceId, Member, MergePartner, Role, SharedConfig, Timestamp},
};
use tokio::task::spawn_blocking;

use super::{Instances, SyncRefusal};
use crate::instance::{
    alerts::{self, OpenAlerts},
    convert::{self, ConvertError},
    position, results,
    wire::{Configuration, Endpoint, MAX_RESULTS, Mirror, MonitoringResult},
};

/// How far back a mirror begins that has no position yet.
const MIRROR_SINCE: std::time::Duration = std::time::Duration::from_secs(3600);

/// How many rows back it begins at least: the clock of an instance may have jumped ahead since it stored them.
const MIRROR_AT_LEAST: i64 = 20_000;

/// How many digits of the hash are shown.
const HASH_DIGITS: usize = 16;

/// A configuration and its tag.
pub struct Tagged {
    /// The tag: `epoch-version-hash`.
    pub tag: String,
    config: Arc<SharedConfig>,
    cluster: ClusterId,
}

impl Instances {
    /// The configuration and its tag.
    ///
    /// # Errors
    ///
    /// When this instance is no primary.
    pub async fn tagged(&self) -> Result<Tagged, SyncRefusal> {
        let (_, cluster) = self.primary().await?;
        let (config, hash) = self.hashed().await?;
        Ok(Tagged { tag: format!("\"{}-{hash}\"", config.version), config, cluster })
    }

    /// What this instance shares, and the first digits of its hash.
    pub(super) async fn hashed(&self) -> Result<(Arc<SharedConfig>, String), SyncRefusal> {
        let config = self.store.shared_config(Timestamp::now()).await?;
        // The store gives out the same one until something changes.
        let known = self.last_hash.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, hash)) = known.filter(|(of, _)| Arc::ptr_eq(of, &config)) {
            return Ok((config, hash));
        }
        let mut hash = config.hash();
        hash.truncate(HASH_DIGITS);
        *self.last_hash.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&config), hash.clone()));
        Ok((config, hash))
    }

    /// A configuration as it is sent to an instance.
    ///
    /// # Errors
    ///
    /// When the instance never told its key.
    pub async fn configuration(&self, caller: InstanceId, tagged: Tagged) -> Result<Configuration, SyncRefusal> {
        let key = self.key_of(caller).await?;
        // Each secret takes a fraction of a millisecond.
        let sealed = spawn_blocking(move || convert::configuration(&tagged.config, tagged.cluster, &key)).await;
        sealed.map_err(|_| StoreError::Panicked)?.map_err(no_key)
    }

    /// One peer of the configuration as it is sent to an instance.
    ///
    /// # Errors
    ///
    /// When there is no such peer, this instance is no primary, or the other one never told its key.
    pub async fn endpoint(&self, caller: InstanceId, id: i64) -> Result<Endpoint, SyncRefusal> {
        let (_, cluster) = self.primary().await?;
        let key = self.key_of(caller).await?;
        let config = self.store.shared_config(Timestamp::now()).await?;
        convert::one_endpoint(&config, cluster, &key, id).map_err(no_key)?.ok_or_else(|| SyncRefusal::not_found("peer"))
    }

    async fn key_of(&self, caller: InstanceId) -> Result<[u8; 32], SyncRefusal> {
        let member = self.store.member(caller).await?.ok_or_else(SyncRefusal::unauthorized)?;
        member.public_key.ok_or_else(|| {
            SyncRefusal::conflict("no_public_key", "the instance never told its public key; register again")
        })
    }

    /// Refuses an instance that was not the primary of an earlier epoch, as far as this one knows.
    ///
    /// # Errors
    ///
    /// When it was not.
    pub async fn former_primary(&self, caller: InstanceId) -> Result<Member, SyncRefusal> {
        let member = self.store.member(caller).await?.ok_or_else(SyncRefusal::unauthorized)?;
        if member.role == Role::Primary { Ok(member) } else { Err(never_led()) }
    }

    /// Merges what an instance changed while it was the primary of an earlier epoch.
    ///
    /// # Errors
    ///
    /// When it was not, or its configuration is not valid.
    pub async fn hand_in(&self, caller: InstanceId, sent: Configuration) -> Result<(), SyncRefusal> {
        let (instance, cluster) = self.primary().await?;
        let member = self.former_primary(caller).await?;
        let is_its_own = sent.instance_id.is_none_or(|of| of == caller);
        if sent.cluster_id != cluster || sent.epoch >= instance.epoch || !is_its_own {
            return Err(never_led());
        }
        let (key, more) = (self.store.sealing_key().await?, sent.more);
        let opened = spawn_blocking(move || convert::shared_config(&sent, &key)).await;
        let theirs = opened
            .map_err(|_| StoreError::Panicked)?
            .map_err(|error: ConvertError| SyncRefusal::bad_request(error.to_string()))?;
        let adopted = self.store.adopt(&theirs, MergePartner::Other, Timestamp::now()).await?;
        tracing::info!(
            instance = %member.name,
            changed = adopted.changed,
            lost = adopted.lost,
            "merged what the former primary changed"
        );
        // Read again, because a merge takes a while.
        if let Some(member) = self.store.member(caller).await?.filter(|_| !more) {
            self.store.put_member(&Member { role: Role::Dependent, ..member }).await?;
        }
        Ok(())
    }

    /// Results after a position, and the verdicts when there are no more.
    ///
    /// # Errors
    ///
    /// When this instance is no primary.
    pub async fn results(&self, after: Option<&str>) -> Result<Mirror, SyncRefusal> {
        let (instance, _) = self.primary().await?;
        let now = Timestamp::now();
        let newest = self.store.newest_result().await?;
        let from = match position::row_of(after, instance.id) {
            // Of the time before a backup was restored here: the caller drops what it has.
            Some(row) if row > newest => 0,
            Some(row) => row,
            None => self.beginning(newest, now).await?,
        };
        let (found, next) = self.store.results_after(from, MAX_RESULTS as u32, true).await?;
        let more = next > from && next < self.store.newest_result().await?;
        let sent: Vec<MonitoringResult> = found.iter().map(|one| results::to_wire(one, instance.id)).collect();
        let open = if more { OpenAlerts::default() } else { alerts::open(&self.store, now).await? };
        Ok(Mirror {
            results: sent,
            cursor: position::position(instance.id, next),
            more,
            verdicts: if more { None } else { Some(self.store.verdicts(now).await?) },
            open_alerts: open.alerts,
            open_mutes: open.mutes,
            alerts_planned_at: open.planned_at,
            timestamp: now.into(),
            config_version: instance.config.version,
            epoch: instance.epoch,
        })
    }

    /// The row after which a mirror begins: the results of the last hour, the newest ones at any rate, and older ones that no
    /// other instance has.
    async fn beginning(&self, newest: i64, now: Timestamp) -> Result<i64, StoreError> {
        let last_hour = self.store.last_result_before(now - MIRROR_SINCE, (0, newest)).await?;
        let recent = last_hour.min((newest - MIRROR_AT_LEAST).max(0));
        Ok(match self.store.passed_on_row().await? {
            // It was never anything but the primary, and nobody mirrored it.
            0 => recent,
            passed_on => recent.min(passed_on),
        })
    }
}

fn never_led() -> SyncRefusal {
    SyncRefusal::forbidden("only an instance that was the primary before hands in its own configuration")
}

/// A key that was accepted at the registration, and for which nothing can be sealed.
fn no_key(_: ConvertError) -> SyncRefusal {
    SyncRefusal::conflict("no_public_key", "nothing can be sealed for the public key of the instance; register again")
}
