//! Heartbeats, and the results in them.

use std::collections::BTreeSet;

use easytier_uptime_store::domain::{
    ConfigVersion, ForeignBatch, InstanceId, MAX_EPOCH, Member, MemberBeat, Role, Timestamp,
};

use super::{Instances, MAX_TEXT, SyncRefusal};
use crate::instance::{
    position, results,
    wire::{Heartbeat, HeartbeatReceipt, MAX_RESULTS, RejectedResult},
};

/// The longest hash of a configuration, in characters.
const MAX_HASH: usize = 128;

impl Instances {
    /// Takes a heartbeat and the results in it. `unreadable`: results at places of their own between those of `beat`, which could
    /// not be read.
    ///
    /// # Errors
    ///
    /// When it names another instance than `caller`, has too many results, or this instance is no primary.
    pub async fn heartbeat(
        &self,
        caller: InstanceId,
        beat: &Heartbeat,
        unreadable: Vec<RejectedResult>,
    ) -> Result<HeartbeatReceipt, SyncRefusal> {
        let (instance, _) = self.primary().await?;
        if beat.instance_id != caller {
            return Err(SyncRefusal::conflict("other_instance", "the token belongs to another instance"));
        }
        if beat.monitoring_results.len() + unreadable.len() > MAX_RESULTS {
            return Err(SyncRefusal::too_large(format!("monitoringResults: at most {MAX_RESULTS} at a time")));
        }
        if !(0..=MAX_EPOCH).contains(&beat.epoch) {
            return Err(SyncRefusal::bad_request("epoch: out of range"));
        }
        let member = self.store.member(caller).await?.ok_or_else(SyncRefusal::unauthorized)?;
        let now = Timestamp::now();
        let sync = beat.sync_status.clone().unwrap_or_default();
        let held = sync.sync_version.as_deref().and_then(ConfigVersion::from_text);
        let receipt = self.take(&member, beat, unreadable, held, now).await?;
        let note = MemberBeat {
            at: now,
            health: beat.status,
            role: Role::Dependent,
            epoch: beat.epoch,
            config: held.unwrap_or(member.config),
            config_hash: sync.config_hash.as_deref().map(hash_in),
            // Programs that are not ours say it here only.
            synced_at: sync.last_synced.or(beat.connection_status.last_sync_success).map(Timestamp::from),
            sync_error: sync.error_message.map(|error| error.chars().take(MAX_TEXT).collect()),
            system_metrics: serde_json::to_value(&beat.system_metrics).ok(),
            connection: serde_json::to_value(&beat.connection_status).ok(),
        };
        self.store.note_member_beat(caller, &note).await?;
        if let Some(row) = position::row_of(beat.mirrored.as_deref(), instance.id) {
            self.store.note_mirrored(caller, row).await?;
        }
        Ok(HeartbeatReceipt { config_version: instance.config.version, epoch: instance.epoch, ..receipt })
    }

    /// Stores the results of a heartbeat.
    async fn take(
        &self,
        member: &Member,
        beat: &Heartbeat,
        unreadable: Vec<RejectedResult>,
        config: Option<ConfigVersion>,
        now: Timestamp,
    ) -> Result<HeartbeatReceipt, SyncRefusal> {
        let taken: BTreeSet<usize> = unreadable.iter().map(|one| one.index).collect();
        let indexes = (0..).filter(|index| !taken.contains(index));
        let (mut results, mut places, mut rejected) = (Vec::new(), Vec::new(), unreadable);
        for (index, sent) in indexes.zip(&beat.monitoring_results) {
            let result = match sent.instance_id == member.id {
                true => results::from_wire(sent, &member.name).map_err(|error| error.to_string()),
                false => Err("instanceId: the token belongs to another instance".to_owned()),
            };
            match result {
                Ok(result) => {
                    results.push(result);
                    places.push(index);
                }
                Err(detail) => rejected.push(RejectedResult::invalid(index, detail)),
            }
        }
        if results.iter().any(|result| result.peer_uid.is_empty()) {
            // Peers get their uids when they are captured.
            self.store.shared_config(now).await?;
            let uids = self.store.peer_uids().await?;
            for result in results.iter_mut().filter(|result| result.peer_uid.is_empty()) {
                result.peer_uid = uids.get(&result.result.peer_id).cloned().unwrap_or_default();
            }
        }
        let (mut accepted, mut duplicates) = (0, 0);
        if !results.is_empty() {
            let sent_at = Some(beat.timestamp.into());
            let batch = ForeignBatch { results, received_at: now, sent_at, config, mirrored: false };
            let receipt = self.store.ingest_foreign(batch).await?;
            (accepted, duplicates) = (receipt.accepted, receipt.duplicates);
            rejected.extend(receipt.rejected.iter().map(|one| {
                let reason = serde_json::to_value(one.reason).ok();
                let reason = reason.and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
                RejectedResult { index: places.get(one.index).copied().unwrap_or(one.index), reason, detail: None }
            }));
        }
        rejected.sort_by_key(|one| one.index);
        Ok(HeartbeatReceipt { accepted, duplicates, rejected, config_version: 0, epoch: 0 })
    }
}

/// The hash in what an instance says: our own say the whole tag of the configuration.
fn hash_in(told: &str) -> String {
    let hash = match told.strip_prefix('"').and_then(|told| told.strip_suffix('"')) {
        Some(tag) => tag.rsplit('-').next().unwrap_or(tag),
        None => told,
    };
    hash.chars().take(MAX_HASH).collect()
}
