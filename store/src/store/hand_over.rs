//! What the runtime of an instance keeps in the database: a hand-over in progress, how far others have mirrored this instance,
//! whether it could take the primary's place, and its turn.

use std::collections::HashMap;

use super::{Store, duties::Duty, rows};
use crate::{
    db::{args, disk},
    domain::{InstanceId, Timestamp},
    error::StoreError,
};

impl Store {
    /// Whether this hub is the one of those on the database that speaks with other instances. It is meant to be called every
    /// few seconds.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn holds_instance_duty(&self) -> Result<bool, StoreError> {
        let leases = self.shared.duties.hold(self.db(), &[Duty::Instance]).await?;
        Ok(!leases.is_empty())
    }

    /// The instance to which this primary is handing over.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn handing_over_to(&self) -> Result<Option<InstanceId>, StoreError> {
        let (to,): (Option<String>,) = self.db().one("SELECT handing_over_to FROM instance", vec![]).await?;
        to.map(|to| to.parse().map_err(|_| StoreError::Corrupt("instance.handing_over_to".into()))).transpose()
    }

    /// Begins a hand-over to another instance, or ends it with `None`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn hand_over(&self, to: Option<InstanceId>) -> Result<(), StoreError> {
        let update = "UPDATE instance SET handing_over_to = $1";
        self.db().execute(update, args![to.map(|to| to.to_string())]).await.map(drop)
    }

    /// Notes that another instance has mirrored the results of this one up to `row`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_mirrored(&self, by: InstanceId, row: i64) -> Result<(), StoreError> {
        let update = "UPDATE instances SET mirrored_row = $2 WHERE instance_id = $1";
        self.db().execute(update, args![by.to_string(), row]).await.map(drop)
    }

    /// The row up to which another instance has mirrored the results of this one; 0 when it never did.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirrored_row(&self, by: InstanceId) -> Result<i64, StoreError> {
        let select = "SELECT mirrored_row FROM instances WHERE instance_id = $1";
        let row: Option<(i64,)> = self.db().optional(select, args![by.to_string()]).await?;
        Ok(row.map_or(0, |(row,)| row))
    }

    /// The row up to which another instance has the results of this one: an earlier primary got them, or a mirror took them. 0
    /// when nobody ever had any.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn passed_on_row(&self) -> Result<i64, StoreError> {
        let select = "SELECT MAX(passed_on) FROM (SELECT forwarded_row AS passed_on FROM instance \
                      UNION ALL SELECT mirrored_row FROM instances) AS known";
        self.db().one::<(i64,)>(select, vec![]).await.map(|(row,)| row)
    }

    /// Whether the primary reached this dependent at its public endpoint, as it last said.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn called_back(&self) -> Result<bool, StoreError> {
        self.db().one::<(bool,)>("SELECT called_back FROM instance", vec![]).await.map(|(called_back,)| called_back)
    }

    /// Notes whether the primary reached this dependent at its public endpoint.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_own_call_back(&self, called_back: bool) -> Result<(), StoreError> {
        let update = "UPDATE instance SET called_back = $1 WHERE called_back <> $1";
        self.db().execute(update, args![called_back]).await.map(drop)
    }

    /// The place of this instance in the order of failover. `named`: the one that the configuration names; as long as it names
    /// the same, the place that an admin gave to the instance counts.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn own_order(&self, named: i64) -> Result<i64, StoreError> {
        let select = "SELECT failover_order, named_order FROM instance";
        let (given, then): (Option<i64>, Option<i64>) = self.db().one(select, vec![]).await?;
        Ok(given.filter(|_| then == Some(named)).unwrap_or(named))
    }

    /// The place that the configuration named when this instance was last given one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn named_order(&self) -> Result<Option<i64>, StoreError> {
        self.db().one::<(Option<i64>,)>("SELECT named_order FROM instance", vec![]).await.map(|(named,)| named)
    }

    /// Gives this instance its place in the order of failover, while the configuration names `named`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn give_own_order(&self, order: i64, named: i64) -> Result<(), StoreError> {
        let update = "UPDATE instance SET failover_order = $1, named_order = $2";
        self.db().execute(update, args![order, named]).await.map(drop)
    }

    /// Whether a check since `since` found a peer online, by a probe that reports to this instance.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn saw_peer_online(&self, since: Timestamp) -> Result<bool, StoreError> {
        let select =
            "SELECT 1 FROM results WHERE quarter >= $1 AND checked_at >= $2 AND status = 2 AND NOT mirrored LIMIT 1";
        let parameters = args![since.bucket(crate::domain::QUARTER), since];
        let row: Option<(i64,)> = self.db().optional(select, parameters).await?;
        Ok(row.is_some())
    }

    /// How many peers are checked.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn watched_peers(&self) -> Result<u64, StoreError> {
        let select = "SELECT count(*) FROM peers WHERE approved AND NOT set_aside";
        self.db().one::<(i64,)>(select, vec![]).await.map(|(count,)| rows::count(count))
    }

    /// Percentage of the disk with the database's file that is in use; `None` when it cannot be told, and on PostgreSQL.
    pub async fn disk_usage(&self) -> Option<f64> {
        let file = self.shared.file.clone()?;
        tokio::task::spawn_blocking(move || disk::usage(&file)).await.ok().flatten()
    }

    /// The uids of peers by their ids, as far as they are shared.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peer_uids(&self) -> Result<HashMap<i64, String>, StoreError> {
        let select = "SELECT local_key, uid FROM synced_objects WHERE kind = 'peer' AND local_key IS NOT NULL";
        let rows: Vec<(String, String)> = self.db().all(select, vec![]).await?;
        Ok(rows.into_iter().filter_map(|(id, uid)| Some((id.parse().ok()?, uid))).collect())
    }
}
