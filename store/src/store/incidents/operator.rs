//! What the operator writes to incidents.

use crate::{
    db::{Tx, args, work},
    domain::{AuditObject, AuditVerb, IncidentId, Timestamp},
    error::{Conflict, StoreError},
    store::{
        Store,
        audit::{self, Change},
    },
};

/// How many texts an incident has at most.
const MAX_POSTS: i64 = 100;

/// To be called first in every transaction that changes an incident; `is_step`: the planner has to read it again.
async fn touch(tx: &mut Tx, id: IncidentId, is_step: bool, now: Timestamp) -> Result<bool, StoreError> {
    let plan = "UPDATE incident_plan SET revision = revision + 1, step = step + $1 WHERE id = 1";
    tx.execute(plan, args![i64::from(is_step)]).await?;
    let update = "UPDATE incidents SET updated_at = $2 WHERE id = $1";
    if tx.execute(update, args![id, now]).await? == 0 {
        return Err(StoreError::NotFound("incident"));
    }
    let select = "SELECT closed_at FROM incidents WHERE id = $1";
    let (closed_at,): (Option<Timestamp>,) = tx.one(select, args![id]).await?;
    Ok(closed_at.is_none())
}

impl Store {
    /// Adds a text of the operator to the timeline of an incident; one of the two languages has a text.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; [`StoreError::Conflict`] when it has too many texts; otherwise
    /// when the database fails.
    pub async fn post_to_incident(
        &self,
        id: IncidentId,
        english: Option<&str>,
        chinese: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    touch(tx, id, false, now).await?;
                    let count = "SELECT count(*) FROM incident_entries WHERE incident_id = $1 AND kind = 'posted'";
                    let (posts,): (i64,) = tx.one(count, args![id]).await?;
                    if posts >= MAX_POSTS {
                        return Err(Conflict::IncidentFull.into());
                    }
                    let insert = "INSERT INTO incident_entries (incident_id, at, kind, detail, english, chinese) \
                                  VALUES ($1, $2, 'posted', '{}', $3, $4)";
                    let texts = [english, chinese].map(|text| text.map(str::to_owned));
                    let [english, chinese] = texts;
                    tx.execute(insert, args![id, now, english, chinese]).await?;
                    audit::note(tx, Change::of(AuditObject::Incident, AuditVerb::Change).id(id).detail("post")).await
                })
            })
            .await
    }

    /// Gives an incident a name, in one language or both; without any it has the usual one again.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn name_incident(
        &self,
        id: IncidentId,
        english: Option<&str>,
        chinese: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE incidents SET english = $2, chinese = $3 WHERE id = $1";
        self.db()
            .transaction(|tx| {
                work(async move {
                    touch(tx, id, false, now).await?;
                    let [english, chinese] = [english, chinese].map(|text| text.map(str::to_owned));
                    let named = english.clone().or(chinese.clone()).unwrap_or_default();
                    tx.execute(update, args![id, english, chinese]).await?;
                    let change = Change::of(AuditObject::Incident, AuditVerb::Change).id(id).named(named);
                    audit::note(tx, change.detail("name")).await
                })
            })
            .await
    }

    /// Closes an incident although not all of its nodes are well. Nodes that stay as they are open no other.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when no incident with this id is open; otherwise when the database fails.
    pub async fn close_incident(&self, id: IncidentId, now: Timestamp) -> Result<(), StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    if !touch(tx, id, true, now).await? {
                        return Err(StoreError::NotFound("open incident"));
                    }
                    tx.execute("UPDATE incidents SET closed_at = $2 WHERE id = $1", args![id, now]).await?;
                    let insert =
                        "INSERT INTO incident_entries (incident_id, at, kind, detail) VALUES ($1, $2, 'ended', '{}')";
                    tx.execute(insert, args![id, now]).await?;
                    audit::note(tx, Change::of(AuditObject::Incident, AuditVerb::End).id(id)).await
                })
            })
            .await
    }
}
