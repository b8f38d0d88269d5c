//! Instances as the API shows them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{Instance, InstanceHealth, Member, Role, Timestamp},
};
use serde_json::Value;

use super::OwnInstance;
use crate::instance::{
    capabilities, system_info,
    wire::{InstanceView, MemberStatus, SyncState, SyncStatus},
};

/// Whether an instance sent a heartbeat within two intervals.
pub fn is_active(member: &Member, interval: Duration, now: Timestamp) -> bool {
    status(member, interval, now) == MemberStatus::Active
}

/// What the heartbeats of an instance say about it. Of a primary, which sends none, it is the time of its last answer.
fn status(member: &Member, interval: Duration, now: Timestamp) -> MemberStatus {
    let answered = member.called_back_at.filter(|_| member.role == Role::Primary);
    let heard = member.last_heartbeat.into_iter().chain(answered).max();
    let Some(heard) = heard.filter(|_| member.health != Some(InstanceHealth::Failing)) else {
        return MemberStatus::Failed;
    };
    if heard + interval * 2 > now {
        MemberStatus::Active
    } else if heard + interval * 3 > now {
        MemberStatus::Inactive
    } else {
        MemberStatus::Failed
    }
}

/// Another instance. `interval`: the time between two heartbeats.
pub fn member(member: &Member, interval: Duration, now: Timestamp) -> InstanceView {
    let json = |value: &Option<Value>| value.clone().unwrap_or_default();
    let state = match (&member.sync_error, member.synced_at) {
        (Some(_), _) => SyncState::Error,
        (None, Some(_)) => SyncState::Synced,
        (None, None) => SyncState::Pending,
    };
    InstanceView {
        instance_id: member.id,
        instance_name: member.name.clone(),
        location: member.location.clone(),
        latitude: member.coordinates.map(|(north, _)| north),
        longitude: member.coordinates.map(|(_, east)| east),
        public_endpoint: member.public_endpoint.clone(),
        called_back: member.called_back_at.is_some(),
        failover_order: member.failover_order,
        last_heartbeat: member.last_heartbeat.map(DateTime::<Utc>::from),
        status: status(member, interval, now),
        role: member.role,
        epoch: member.epoch,
        capabilities: member.capabilities.clone(),
        system_info: json(&member.system_info),
        system_metrics: json(&member.system_metrics),
        connection_status: json(&member.connection),
        sync_status: SyncStatus {
            status: state,
            last_synced: member.synced_at.map(DateTime::<Utc>::from),
            config_hash: member.config_hash.clone(),
            sync_version: Some(member.config.to_string()),
            error_message: member.sync_error.clone(),
        },
    }
}

/// This instance.
///
/// # Errors
///
/// When the database fails.
pub async fn own(store: &Store, own: &OwnInstance, instance: &Instance) -> Result<InstanceView, StoreError> {
    let options = &own.options;
    let now = Timestamp::now();
    Ok(InstanceView {
        instance_id: instance.id,
        instance_name: options.name.clone(),
        location: options.location.clone(),
        latitude: options.coordinates.map(|(north, _)| north),
        longitude: options.coordinates.map(|(_, east)| east),
        public_endpoint: options.endpoint().map(str::to_owned),
        called_back: match instance.role {
            Role::Primary => true,
            _ => store.called_back().await?,
        },
        failover_order: store.own_order(options.failover_order).await?,
        last_heartbeat: Some(now.into()),
        status: MemberStatus::Active,
        role: instance.role,
        epoch: instance.epoch,
        capabilities: capabilities(),
        system_info: system_info(),
        system_metrics: serde_json::to_value(own.status.get().load).unwrap_or_default(),
        connection_status: Value::Null,
        sync_status: SyncStatus {
            status: if instance.sync_error.is_some() { SyncState::Error } else { SyncState::Synced },
            last_synced: instance.synced_at.map(DateTime::<Utc>::from),
            config_hash: None,
            sync_version: Some(instance.config.to_string()),
            error_message: instance.sync_error.clone(),
        },
    })
}
