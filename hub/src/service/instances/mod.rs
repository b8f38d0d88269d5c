//! What other instances ask of this one: to register, to tell that they live, to share configuration and results, and who leads.

mod error;
mod place;
mod views;

use std::sync::Arc;

use data_encoding::BASE64;
use easytier_probe::Secret;
use easytier_uptime_store::{
    RoleConflict, Store, StoreError,
    domain::{
        ClusterId, ConfigVersion, ForeignBatch, Instance, InstanceId, Member, MemberBeat, MergePartner, Role,
        SharedConfig, Timestamp,
    },
};
use url::Url;

pub use self::error::SyncRefusal;
use crate::instance::{
    InstanceOptions, SharedStatus, convert, mirror, results,
    wire::{
        Configuration, FailoverOrder, Heartbeat, HeartbeatReceipt, InOrder, Instances as InstanceList, MAX_RESULTS,
        Mirror, MonitoringResult, Promote, Register, Registered, RejectedResult, RoleChange,
    },
};

/// The longest name, location, version or address, in characters.
const MAX_TEXT: usize = 255;
/// The most capabilities of an instance.
const MAX_CAPABILITIES: usize = 64;
/// How far back a mirror begins that has no position yet.
const MIRROR_SINCE: std::time::Duration = std::time::Duration::from_secs(3600);

/// The settings and the runtime of this instance.
#[derive(Debug, Clone)]
pub struct OwnInstance {
    /// The settings.
    pub options: Arc<InstanceOptions>,
    /// What the runtime knows.
    pub status: SharedStatus,
}

impl Default for OwnInstance {
    /// For a hub that never joins a cluster.
    fn default() -> Self {
        Self { options: Arc::new(InstanceOptions::named("hub")), status: SharedStatus::default() }
    }
}

/// The use cases of instances.
#[derive(Clone)]
pub struct Instances {
    store: Store,
    own: OwnInstance,
}

/// A configuration and its tag.
pub struct Tagged {
    /// The tag: `epoch-version-hash`.
    pub tag: String,
    config: Arc<SharedConfig>,
    cluster: ClusterId,
}

impl Instances {
    /// The use cases over a store.
    pub fn new(store: Store, own: OwnInstance) -> Self {
        Self { store, own }
    }

    /// The secret that all instances of the cluster know.
    pub fn secret(&self) -> Option<&Secret> {
        self.own.options.secret.as_ref()
    }

    /// The instance of a presented token.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn of_token(&self, token: &str) -> Result<Option<InstanceId>, SyncRefusal> {
        Ok(self.store.authenticate_instance(token, Timestamp::now()).await?)
    }

    /// This instance and its cluster.
    ///
    /// # Errors
    ///
    /// [`SyncRefusal::standalone`] when it belongs to none.
    async fn clustered(&self) -> Result<(Instance, ClusterId), SyncRefusal> {
        let instance = self.store.instance().await?;
        match (instance.role, instance.cluster) {
            (Role::Standalone, _) | (_, None) => Err(SyncRefusal::standalone()),
            (_, Some(cluster)) => Ok((instance, cluster)),
        }
    }

    /// This instance if it is the primary.
    async fn primary(&self) -> Result<(Instance, ClusterId), SyncRefusal> {
        let (instance, cluster) = self.clustered().await?;
        match instance.role {
            Role::Primary => Ok((instance, cluster)),
            _ => Err(SyncRefusal::not_primary(&instance)),
        }
    }

    /// Registers another instance, for the first time or again.
    ///
    /// # Errors
    ///
    /// When a field is not valid, the instance belongs to another cluster, or this one is no primary.
    pub async fn register(&self, register: &Register) -> Result<Registered, SyncRefusal> {
        let (instance, cluster) = self.primary().await?;
        let id = register.instance_id;
        if id == instance.id {
            return Err(SyncRefusal::conflict(
                "same_instance",
                "this is the database of the primary itself, or a copy of it",
            ));
        }
        if register.cluster_id.is_some_and(|theirs| theirs != cluster) {
            return Err(RoleConflict::OtherCluster.into());
        }
        let known = self.store.member(id).await?;
        let member = member_of(register, known)?;
        self.store.put_member(&member).await?;
        let token = self.store.issue_instance_token(id, Timestamp::now()).await?;
        let mirrored = self.store.mirror_position().await?;
        Ok(Registered {
            instance_id: id,
            token: token.expose().to_owned(),
            expires_at: None,
            role: Role::Dependent,
            cluster_id: cluster,
            epoch: instance.epoch,
            heartbeat_interval: millis(self.own.options.heartbeat_interval),
            sync_interval: millis(self.own.options.sync_interval),
            primary_id: Some(instance.id),
            primary_name: Some(self.own.options.name.clone()),
            public_key: Some(BASE64.encode(&self.store.sealing_key().await?.public)),
            mirrored: mirrored.filter(|position| mirror::row_of(Some(position), id).is_some()),
        })
    }

    /// Takes a heartbeat and the results in it.
    ///
    /// # Errors
    ///
    /// When it names another instance than `caller`, has too many results, or this instance is no primary.
    pub async fn heartbeat(&self, caller: InstanceId, beat: &Heartbeat) -> Result<HeartbeatReceipt, SyncRefusal> {
        let (instance, _) = self.primary().await?;
        if beat.instance_id != caller {
            return Err(SyncRefusal::conflict("other_instance", "the token belongs to another instance"));
        }
        if beat.monitoring_results.len() > MAX_RESULTS {
            return Err(SyncRefusal::too_large(format!("at most {MAX_RESULTS} results at a time")));
        }
        let member = self.store.member(caller).await?.ok_or_else(SyncRefusal::unauthorized)?;
        let now = Timestamp::now();
        let held = beat.sync_status.as_ref().and_then(|status| version_of(status.sync_version.as_deref()?));
        let receipt = self.take(&member, beat, held, now).await?;
        let sync = beat.sync_status.clone().unwrap_or_default();
        let note = MemberBeat {
            at: now,
            health: beat.status,
            role: Role::Dependent,
            epoch: beat.epoch,
            config: held.unwrap_or(member.config),
            config_hash: sync.config_hash,
            synced_at: sync.last_synced.map(Timestamp::from),
            sync_error: sync.error_message,
            system_metrics: serde_json::to_value(&beat.system_metrics).ok(),
            connection: serde_json::to_value(&beat.connection_status).ok(),
        };
        self.store.note_member_beat(caller, &note).await?;
        if let Some(row) = mirror::row_of(beat.mirrored.as_deref(), instance.id) {
            self.store.note_mirrored(caller, row).await?;
        }
        Ok(HeartbeatReceipt { config_version: instance.config.version, epoch: instance.epoch, ..receipt })
    }

    /// Stores the results of a heartbeat.
    async fn take(
        &self,
        member: &Member,
        beat: &Heartbeat,
        config: Option<ConfigVersion>,
        now: Timestamp,
    ) -> Result<HeartbeatReceipt, SyncRefusal> {
        let (mut taken, mut places, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for (index, sent) in beat.monitoring_results.iter().enumerate() {
            match results::from_wire(sent, &member.name) {
                Ok(result) => {
                    taken.push(result);
                    places.push(index);
                }
                Err(_) => rejected.push(RejectedResult { index, reason: "invalid".to_owned() }),
            }
        }
        if taken.iter().any(|result| result.peer_uid.is_empty()) {
            let uids = self.store.peer_uids().await?;
            for result in taken.iter_mut().filter(|result| result.peer_uid.is_empty()) {
                result.peer_uid = uids.get(&result.result.peer_id).cloned().unwrap_or_default();
            }
        }
        let (mut accepted, mut duplicates) = (0, 0);
        if !taken.is_empty() {
            let sent_at = Some(beat.timestamp.into());
            let batch = ForeignBatch { results: taken, received_at: now, sent_at, config, mirrored: false };
            let receipt = self.store.ingest_foreign(batch).await?;
            (accepted, duplicates) = (receipt.accepted, receipt.duplicates);
            rejected.extend(receipt.rejected.iter().map(|one| {
                RejectedResult {
                    index: places.get(one.index).copied().unwrap_or(one.index),
                    reason: serde_json::to_value(one.reason)
                        .ok()
                        .and_then(|code| code.as_str().map(str::to_owned))
                        .unwrap_or_default(),
                }
            }));
        }
        rejected.sort_by_key(|one| one.index);
        Ok(HeartbeatReceipt { accepted, duplicates, rejected, config_version: 0, epoch: 0 })
    }

    /// All instances of the cluster.
    ///
    /// # Errors
    ///
    /// When this instance belongs to no cluster.
    pub async fn list(&self) -> Result<InstanceList, SyncRefusal> {
        let (instance, _) = self.clustered().await?;
        let now = Timestamp::now();
        let options = &self.own.options;
        let mut instances = vec![views::own(&self.store, &self.own, &instance).await?];
        for member in self.store.members().await? {
            instances.push(views::member(&member, options.heartbeat_interval, now));
        }
        instances.sort_by_key(|one| (one.failover_order, one.instance_id));
        Ok(InstanceList { instances })
    }

    /// Who leads, and who follows in which order.
    ///
    /// # Errors
    ///
    /// When this instance belongs to no cluster.
    pub async fn failover_order(&self) -> Result<FailoverOrder, SyncRefusal> {
        let (instance, cluster) = self.clustered().await?;
        let status = self.own.status.get();
        let order = self.list().await?.instances.into_iter().map(|one| InOrder {
            instance_id: one.instance_id,
            instance_name: one.instance_name,
            failover_order: one.failover_order,
            public_endpoint: one.public_endpoint,
            called_back: one.called_back,
            status: one.status,
        });
        Ok(FailoverOrder {
            epoch: instance.epoch,
            cluster_id: cluster,
            primary: instance.leader.as_ref().map(|leader| leader.id),
            order: order.collect(),
            instance_id: Some(instance.id),
            handing_over_to: status.handing_over_to.filter(|_| instance.role == Role::Primary),
            primary_reachable: status.primary_reachable,
            role: Some(instance.role),
        })
    }

    /// The configuration and its tag.
    ///
    /// # Errors
    ///
    /// When this instance is no primary.
    pub async fn tagged(&self) -> Result<Tagged, SyncRefusal> {
        let (_, cluster) = self.primary().await?;
        let config = self.store.shared_config(Timestamp::now()).await?;
        let tag = format!("\"{}-{}\"", config.version, &config.hash()[..16]);
        Ok(Tagged { tag, config, cluster })
    }

    /// A configuration as it is sent to an instance.
    ///
    /// # Errors
    ///
    /// When the instance never told its key.
    pub async fn configuration(&self, caller: InstanceId, tagged: &Tagged) -> Result<Configuration, SyncRefusal> {
        let member = self.store.member(caller).await?.ok_or_else(SyncRefusal::unauthorized)?;
        let key = member.public_key.ok_or_else(|| {
            SyncRefusal::conflict("no_public_key", "the instance never told its public key; register again")
        })?;
        convert::configuration(&tagged.config, tagged.cluster, &key)
            .map_err(|error| SyncRefusal::bad_request(error.to_string()))
    }

    /// Merges what an instance changed while it was the primary of an earlier epoch.
    ///
    /// # Errors
    ///
    /// When it was not, or its configuration is not valid.
    pub async fn hand_in(&self, caller: InstanceId, sent: &Configuration) -> Result<(), SyncRefusal> {
        let (instance, cluster) = self.primary().await?;
        let member = self.store.member(caller).await?.ok_or_else(SyncRefusal::unauthorized)?;
        if member.role != Role::Primary || sent.cluster_id != cluster || sent.epoch >= instance.epoch {
            return Err(SyncRefusal::forbidden(
                "only an instance that was the primary before hands in a configuration",
            ));
        }
        let theirs = convert::shared_config(sent, &self.store.sealing_key().await?)
            .map_err(|error| SyncRefusal::bad_request(error.to_string()))?;
        let adopted = self.store.adopt(&theirs, MergePartner::Other, Timestamp::now()).await?;
        tracing::info!(instance = %member.name, changed = adopted.changed, lost = adopted.lost, "merged what the former primary changed");
        self.store.put_member(&Member { role: Role::Dependent, ..member }).await?;
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
        let from = match mirror::row_of(after, instance.id) {
            Some(row) => row,
            None => self.store.last_result_before(now - MIRROR_SINCE, (0, self.store.newest_result().await?)).await?,
        };
        let (found, next) = self.store.results_after(from, MAX_RESULTS as u32, true).await?;
        let more = next > from && next < self.store.newest_result().await?;
        let sent: Vec<MonitoringResult> = found.iter().map(|one| results::to_wire(one, instance.id)).collect();
        Ok(Mirror {
            results: sent,
            cursor: mirror::position(instance.id, next),
            more,
            verdicts: if more { None } else { Some(self.store.verdicts(now).await?) },
            open_alerts: Vec::new(),
            timestamp: now.into(),
            config_version: instance.config.version,
            epoch: instance.epoch,
        })
    }

    /// Makes this dependent the primary, on behalf of an admin.
    ///
    /// # Errors
    ///
    /// When the epoch is another one, or this instance is no dependent.
    pub async fn promote(&self, promote: &Promote) -> Result<RoleChange, SyncRefusal> {
        let (instance, _) = self.clustered().await?;
        if promote.expected_epoch != instance.epoch {
            return Err(SyncRefusal::other_epoch(instance.epoch));
        }
        if instance.role == Role::Primary {
            return Err(SyncRefusal::conflict("is_primary", "this instance is the primary already"));
        }
        let options = &self.own.options;
        let url = options.public_endpoint.as_ref().map(Url::as_str);
        let promoted = self.store.promote(&options.name, url, instance.epoch, instance.epoch).await?;
        let reason: String = promote.reason.chars().filter(|char| !char.is_control()).take(MAX_TEXT).collect();
        tracing::warn!(epoch = promoted.epoch, reason, "an admin made this instance the primary");
        Ok(RoleChange { instance_id: promoted.id, role: promoted.role, epoch: promoted.epoch })
    }

    /// Begins to hand over to the first dependent in the order that is there, on behalf of an admin. `id`: the primary, which is
    /// this instance.
    ///
    /// # Errors
    ///
    /// When `id` is another instance, or no dependent could take its place.
    pub async fn demote(&self, id: InstanceId) -> Result<RoleChange, SyncRefusal> {
        let (instance, _) = self.primary().await?;
        if id != instance.id {
            return Err(SyncRefusal::conflict(
                "not_primary",
                "only the primary can be demoted, and it is another instance",
            ));
        }
        let (interval, now) = (self.own.options.heartbeat_interval, Timestamp::now());
        let members = self.store.members().await?;
        let next =
            members.iter().find(|member| views::is_active(member, interval, now) && member.called_back_at.is_some());
        let next =
            next.ok_or_else(|| SyncRefusal::conflict("nobody", "no dependent could take the place of this primary"))?;
        self.hand_over_to(next.id).await
    }

    /// Begins to hand over to another instance, on behalf of an admin.
    ///
    /// # Errors
    ///
    /// When it is unknown, or this instance is no primary.
    pub async fn hand_over_to(&self, to: InstanceId) -> Result<RoleChange, SyncRefusal> {
        let (instance, _) = self.primary().await?;
        self.store.member(to).await?.ok_or(StoreError::NotFound("instance"))?;
        self.store.hand_over(Some(to)).await?;
        Ok(RoleChange { instance_id: instance.id, role: instance.role, epoch: instance.epoch })
    }

    /// Gives an instance another place in the order of failover, on behalf of an admin. An instance that registers again keeps
    /// its own setting.
    ///
    /// # Errors
    ///
    /// When it is unknown, or this instance is no primary.
    pub async fn set_order(&self, id: InstanceId, order: i64) -> Result<(), SyncRefusal> {
        self.primary().await?;
        Ok(self.store.set_failover_order(id, order).await?)
    }

    /// Removes an instance from the cluster, on behalf of an admin: its token ends.
    ///
    /// # Errors
    ///
    /// When it is unknown, or this instance is no primary.
    pub async fn remove(&self, id: InstanceId) -> Result<(), SyncRefusal> {
        self.primary().await?;
        Ok(self.store.remove_member(id).await?)
    }
}

fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Reads `EPOCH-VERSION`.
fn version_of(text: &str) -> Option<ConfigVersion> {
    let (epoch, version) = text.split_once('-')?;
    Some(ConfigVersion { epoch: epoch.parse().ok()?, version: version.parse().ok()? })
}

/// The instance that registers, with what was known about it.
fn member_of(register: &Register, known: Option<Member>) -> Result<Member, SyncRefusal> {
    let invalid = |field: &str, what: &str| SyncRefusal::bad_request(format!("{field}: {what}"));
    let is_text =
        |text: &str| !text.trim().is_empty() && text.chars().count() <= MAX_TEXT && !text.contains(char::is_control);
    if !is_text(&register.instance_name) {
        return Err(invalid("instanceName", "write 1 to 255 characters in one line"));
    }
    if register.location.as_deref().is_some_and(|location| location.chars().count() > MAX_TEXT) {
        return Err(invalid("location", "write at most 255 characters"));
    }
    if !is_text(&register.version) {
        return Err(invalid("version", "write 1 to 255 characters in one line"));
    }
    if register.capabilities.len() > MAX_CAPABILITIES || !register.capabilities.iter().all(|one| is_text(one)) {
        return Err(invalid("capabilities", "write at most 64 short texts"));
    }
    if let Some(url) = &register.public_endpoint {
        let is_web =
            url.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
        if !is_web || url.chars().count() > MAX_TEXT {
            return Err(invalid("publicEndpoint", "write an http or https URL"));
        }
    }
    let key = BASE64.decode(register.public_key.as_bytes()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    let key = key.ok_or_else(|| invalid("publicKey", "write 32 bytes in base64"))?;
    let coordinates = register.latitude.zip(register.longitude);
    let coordinates = coordinates.filter(|(north, east)| north.abs() <= 90.0 && east.abs() <= 180.0);
    let now = Timestamp::now();
    let fresh = Member::registering(register.instance_id, now);
    let known = known.unwrap_or(fresh);
    Ok(Member {
        name: register.instance_name.clone(),
        location: register.location.clone(),
        coordinates,
        version: register.version.clone(),
        capabilities: register.capabilities.clone(),
        failover_order: register.failover_order,
        // Another address has to be called back anew.
        called_back_at: known.called_back_at.filter(|_| known.public_endpoint == register.public_endpoint),
        public_endpoint: register.public_endpoint.clone(),
        public_key: Some(key),
        system_info: Some(register.system_info.clone()),
        registered_at: now,
        last_heartbeat: Some(now),
        ..known
    })
}
