//! Who leads, and who follows in which order.

use easytier_uptime_store::{
    StoreError,
    domain::{Instance, InstanceId, Role, Timestamp},
};

use super::{Instances, MAX_TEXT, SyncRefusal, views};
use crate::instance::wire::{
    FailoverOrder, InOrder, InstanceView, Instances as InstanceList, MemberStatus, Promote, RoleChange,
};

impl Instances {
    /// All instances of the cluster.
    ///
    /// # Errors
    ///
    /// When this instance belongs to no cluster.
    pub async fn list(&self) -> Result<InstanceList, SyncRefusal> {
        let (instance, _) = self.clustered().await?;
        let mut instances = self.all(&instance).await?;
        if instance.role == Role::Primary {
            let (_, hash) = self.hashed().await?;
            let own = instances.iter_mut().find(|one| one.instance_id == instance.id);
            own.into_iter().for_each(|own| own.sync_status.config_hash = Some(hash.clone()));
        }
        Ok(InstanceList { instances })
    }

    /// All instances in the order of failover, this one among them.
    pub(super) async fn all(&self, instance: &Instance) -> Result<Vec<InstanceView>, StoreError> {
        let now = Timestamp::now();
        let interval = self.own.options.heartbeat_interval;
        let mut instances = vec![views::own(&self.store, &self.own, instance).await?];
        instances.extend(self.store.members().await?.iter().map(|member| views::member(member, interval, now)));
        let promoting = self.promoting(instance).await?;
        for one in instances.iter_mut().filter(|one| Some(one.instance_id) == promoting) {
            one.status = MemberStatus::Promoting;
        }
        instances.sort_by_key(|one| (one.failover_order, one.instance_id));
        Ok(instances)
    }

    /// The instance that is becoming the primary: the one to which the primary hands over.
    async fn promoting(&self, instance: &Instance) -> Result<Option<InstanceId>, StoreError> {
        match instance.role {
            // In the database, because another hub on it may do this work.
            Role::Primary => self.store.handing_over_to().await,
            Role::Dependent => {
                // Of a hand-over that is over the runtime hears a moment later.
                let leads = |id: &InstanceId| instance.leader.as_ref().is_some_and(|leader| leader.id == *id);
                Ok(self.own.status.get().handing_over_to.filter(|id| !leads(id)))
            }
            Role::Standalone => Ok(None),
        }
    }

    /// Who leads, and who follows in which order.
    ///
    /// # Errors
    ///
    /// When this instance belongs to no cluster.
    pub async fn failover_order(&self) -> Result<FailoverOrder, SyncRefusal> {
        let (instance, cluster) = self.clustered().await?;
        let status = self.own.status.get();
        let order = self.all(&instance).await?.into_iter().map(|one| InOrder {
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
            config_version: Some(instance.config.version),
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
        let promoted = self.store.promote(&options.name, options.endpoint(), instance.epoch, instance.epoch).await?;
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
    /// When it is unknown, others do not reach it, or this instance is no primary.
    pub async fn hand_over_to(&self, to: InstanceId) -> Result<RoleChange, SyncRefusal> {
        let (instance, _) = self.primary().await?;
        let member = self.store.member(to).await?.ok_or(StoreError::NotFound("instance"))?;
        if member.called_back_at.is_none() {
            return Err(SyncRefusal::conflict(
                "not_called_back",
                "the primary never reached the address of the instance",
            ));
        }
        self.store.hand_over(Some(to)).await?;
        Ok(RoleChange { instance_id: instance.id, role: instance.role, epoch: instance.epoch })
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
