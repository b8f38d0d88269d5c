//! What the runtime of an instance keeps in the database: a hand-over in progress, how far others have mirrored this instance,
//! whether it could take the primary's place, and its turn.

use super::{
    Store,
    audit::{self, Change},
    duties::Duty,
};
use crate::{
    db::{args, work},
    domain::{AuditObject, AuditVerb, InstanceId, Timestamp},
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
        let parameters = &args![to.map(|to| to.to_string())];
        self.db()
            .transaction(|tx| {
                work(async move {
                    tx.execute(update, parameters.clone()).await?;
                    let Some(to) = to else { return Ok(()) };
                    let change = Change::of(AuditObject::Role, AuditVerb::Change);
                    audit::note(tx, change.detail(format!("handing over to {to}"))).await
                })
            })
            .await
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
}
