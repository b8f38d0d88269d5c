//! The place of this instance in its cluster, for `/health` and `/metrics`.

use std::collections::BTreeMap;

use easytier_uptime_monitor::{
    cluster::{Cluster, ClusterFigures, Place},
    public::source::Reading,
};
use easytier_uptime_store::{
    StoreError,
    domain::{Instance, Role, Timestamp},
};

use super::Instances;
use crate::instance::wire::MemberStatus;

/// The names of statuses, in `/metrics`.
const STATUSES: [(MemberStatus, &str); 4] = [
    (MemberStatus::Active, "active"),
    (MemberStatus::Inactive, "inactive"),
    (MemberStatus::Failed, "failed"),
    (MemberStatus::Promoting, "promoting"),
];

impl Instances {
    fn place_of(&self, instance: Instance) -> Place {
        let status = self.own.status.get();
        let depends = instance.role == Role::Dependent;
        let synced_at = instance.synced_at.filter(|_| depends);
        Place {
            role: instance.role,
            configured: status.configured.unwrap_or(instance.role),
            epoch: instance.epoch,
            primary: instance.leader.map(Into::into),
            primary_reachable: status.primary_reachable.filter(|_| instance.role != Role::Standalone),
            unreachable_since: status.outage_since.filter(|_| depends),
            synced_at,
            sync_age_seconds: synced_at.map(|at| Timestamp::now().since(at).as_secs()),
            sync_failed: depends && instance.sync_error.is_some(),
            accepts_edits: instance.accepts_edits && !depends,
            reason: status.reason,
            refusal: status.refusal,
        }
    }

    async fn find_figures(&self) -> Result<ClusterFigures, StoreError> {
        let instance = self.store.instance().await?;
        let mut members: BTreeMap<&'static str, u64> = STATUSES.map(|(_, name)| (name, 0)).into();
        for other in self.all(&instance).await?.iter().filter(|one| one.instance_id != instance.id) {
            for (_, name) in STATUSES.into_iter().filter(|(status, _)| *status == other.status) {
                *members.entry(name).or_default() += 1;
            }
        }
        let forward_backlog = match instance.role {
            Role::Dependent => self.store.newest_result().await? - self.store.forwarded_row().await?,
            Role::Standalone | Role::Primary => 0,
        };
        Ok(ClusterFigures {
            place: self.place_of(instance),
            sync_errors: self.own.status.get().sync_errors,
            forward_backlog: forward_backlog.try_into().unwrap_or_default(),
            members,
        })
    }
}

impl Cluster for Instances {
    fn place(&self) -> Reading<'_, Place> {
        Box::pin(async move { Ok(self.place_of(self.store.instance().await?)) })
    }

    fn figures(&self) -> Reading<'_, ClusterFigures> {
        Box::pin(async move { Ok(self.find_figures().await?) })
    }
}
