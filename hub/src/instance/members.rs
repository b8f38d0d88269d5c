//! What an instance learns about the others from the primary.

use easytier_uptime_store::{
    Conflict, RoleConflict, Store, StoreError,
    domain::{ClusterId, ConfigVersion, Instance, MAX_EPOCH, MAX_EPOCH_LEAD, Member, Role, Timestamp},
};

use url::Url;

use super::{
    tools::Tools,
    wire::{FailoverOrder, InstanceView, Instances},
};

/// Whether the answer of another instance counts: it is of the same cluster, and its epoch is neither over nor too far ahead to
/// be right.
///
/// # Errors
///
/// [`RoleConflict::OtherCluster`], [`RoleConflict::EpochOver`] or [`RoleConflict::EpochOutOfRange`].
pub fn check(instance: &Instance, cluster: ClusterId, epoch: i64) -> Result<(), StoreError> {
    if instance.cluster.is_some_and(|own| own != cluster) {
        return Err(RoleConflict::OtherCluster.into());
    }
    if epoch < instance.epoch {
        return Err(RoleConflict::EpochOver { named: epoch, known: instance.epoch }.into());
    }
    if epoch > MAX_EPOCH.min(instance.epoch.saturating_add(MAX_EPOCH_LEAD)) && instance.cluster.is_some() {
        return Err(RoleConflict::EpochOutOfRange(epoch).into());
    }
    Ok(())
}

/// Whether a primary may be followed that answers like this: as [`check`] says, and its configuration is not older than the one that
/// this instance holds. One that is older leads nobody: it lost its database, and a backup is in its place.
///
/// # Errors
///
/// As [`check`]; [`Conflict::OlderConfiguration`].
pub fn check_order(instance: &Instance, order: &FailoverOrder) -> Result<(), StoreError> {
    check(instance, order.cluster_id, order.epoch)?;
    let leads = order.role == Some(Role::Primary);
    let named = order.config_version.filter(|_| leads).map(|version| ConfigVersion { epoch: order.epoch, version });
    match named.is_some_and(|named| named < instance.config) {
        true => Err(Conflict::OlderConfiguration.into()),
        false => Ok(()),
    }
}

/// Asks another instance at its public endpoint who leads. `None` when it does not answer, or when another instance or one of
/// another cluster answers there.
pub async fn ask(tools: Tools<'_>, instance: &Instance, member: &Member) -> Option<FailoverOrder> {
    let Tools { options, client, .. } = tools;
    let url: Url = member.public_endpoint.as_deref()?.parse().ok()?;
    let order = match client.failover_order(&url, options.secret.as_ref()?).await {
        Ok(order) => order,
        Err(error) => {
            tracing::debug!(instance = %member.name, %error, "an instance cannot be asked");
            return None;
        }
    };
    (Some(order.cluster_id) == instance.cluster && order.instance_id == Some(member.id)).then_some(order)
}

/// Stores who takes the primary's place in which order, and forgets who is no longer listed.
///
/// # Errors
///
/// When the database fails.
pub async fn note_order(Tools { store, options, .. }: Tools<'_>, order: &FailoverOrder) -> Result<(), StoreError> {
    let own = store.instance().await?.id;
    if let Some(listed) = order.order.iter().find(|one| one.instance_id == own) {
        store.note_own_call_back(listed.called_back).await?;
        let named = options.failover_order;
        if store.named_order().await? != Some(named) || store.own_order(named).await? != listed.failover_order {
            store.give_own_order(listed.failover_order, named).await?;
        }
    }
    let known = store.members().await?;
    for one in order.order.iter().filter(|one| one.instance_id != own) {
        let role = if order.primary == Some(one.instance_id) { Role::Primary } else { Role::Dependent };
        let stored = known.iter().find(|member| member.id == one.instance_id);
        let member = stored.cloned().unwrap_or_else(|| Member::registering(one.instance_id, Timestamp::now()));
        let called_back_at = match one.called_back {
            true => Some(member.called_back_at.unwrap_or_else(Timestamp::now)),
            false => None,
        };
        let member = Member {
            name: one.instance_name.clone(),
            failover_order: one.failover_order,
            public_endpoint: one.public_endpoint.clone(),
            called_back_at,
            role,
            ..member
        };
        if stored != Some(&member) {
            store.put_member(&member).await?;
        }
    }
    for gone in known.iter().filter(|member| order.order.iter().all(|one| one.instance_id != member.id)) {
        store.remove_member(gone.id).await?;
    }
    Ok(())
}

/// Stores what the primary knows about the others.
///
/// # Errors
///
/// When the database fails.
pub async fn note_instances(store: &Store, instances: &Instances) -> Result<(), StoreError> {
    let own = store.instance().await?.id;
    for view in instances.instances.iter().filter(|view| view.instance_id != own) {
        let member = store
            .member(view.instance_id)
            .await?
            .unwrap_or_else(|| Member::registering(view.instance_id, Timestamp::now()));
        store.put_member(&seen(member, view)).await?;
    }
    Ok(())
}

fn seen(member: Member, view: &InstanceView) -> Member {
    let present = |json: &serde_json::Value| (!json.is_null()).then(|| json.clone());
    Member {
        name: view.instance_name.clone(),
        location: view.location.clone(),
        coordinates: view.latitude.zip(view.longitude),
        capabilities: view.capabilities.clone(),
        failover_order: view.failover_order,
        public_endpoint: view.public_endpoint.clone(),
        system_info: present(&view.system_info),
        system_metrics: present(&view.system_metrics),
        connection: present(&view.connection_status),
        role: view.role,
        epoch: view.epoch,
        last_heartbeat: view.last_heartbeat.map(Timestamp::from),
        config: view.sync_status.sync_version.as_deref().and_then(ConfigVersion::from_text).unwrap_or(member.config),
        synced_at: view.sync_status.last_synced.map(Timestamp::from),
        sync_error: view.sync_status.error_message.clone(),
        config_hash: view.sync_status.config_hash.clone(),
        ..member
    }
}
