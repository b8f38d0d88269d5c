//! The place of this instance in its cluster, for `/health` and `/metrics`.

use std::collections::BTreeMap;

use easytier_uptime_monitor::{
    cluster::{Cluster, ClusterFigures, Place},
    public::source::Reading,
};
use easytier_uptime_store::{
    StoreError,
    domain::{Role, Timestamp},
};

use super::{Instances, views};
use crate::instance::wire::MemberStatus;

/// The names of statuses, in `/metrics`.
const STATUSES: [(MemberStatus, &str); 4] = [
    (MemberStatus::Active, "active"),
    (MemberStatus::Inactive, "inactive"),
    (MemberStatus::Failed, "failed"),
    (MemberStatus::Promoting, "promoting"),
];

impl Instances {
    async fn find_place(&self) -> Result<Place, StoreError> {
        let (instance, status) = (self.store.instance().await?, self.own.status.get());
        let depends = instance.role == Role::Dependent;
        let synced_at = instance.synced_at.filter(|_| depends);
        Ok(Place {
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
        })
    }

    async fn find_figures(&self) -> Result<ClusterFigures, StoreError> {
        let place = self.find_place().await?;
        let (interval, now) = (self.own.options.heartbeat_interval, Timestamp::now());
        let mut members: BTreeMap<&'static str, u64> = STATUSES.map(|(_, name)| (name, 0)).into();
        let promoting = self.promoting(&self.store.instance().await?).await?;
        for member in self.store.members().await? {
            let status = match promoting == Some(member.id) {
                true => MemberStatus::Promoting,
                false => views::member(&member, interval, now).status,
            };
            for (_, name) in STATUSES.into_iter().filter(|(own, _)| *own == status) {
                *members.entry(name).or_default() += 1;
            }
        }
        let forward_backlog = match place.role {
            Role::Dependent => self.store.newest_result().await? - self.store.forwarded_row().await?,
            Role::Standalone | Role::Primary => 0,
        };
        Ok(ClusterFigures {
            place,
            sync_errors: self.own.status.get().sync_errors,
            forward_backlog: forward_backlog.try_into().unwrap_or_default(),
            members,
        })
    }
}

impl Cluster for Instances {
    fn place(&self) -> Reading<'_, Place> {
        Box::pin(async move { Ok(self.find_place().await?) })
    }

    fn figures(&self) -> Reading<'_, ClusterFigures> {
        Box::pin(async move { Ok(self.find_figures().await?) })
    }
}
