//! The operator's list of peers.

use std::{collections::HashMap, time::Duration};

use super::{
    identity::Identity,
    row::{PeerRow, peer_columns},
    settle::settle,
    write,
};
use crate::{
    db::{Sql, Tx, Value, args, sql, work},
    domain::{AuditObject, AuditVerb, Page, PeerFilter, PeerId, PeerOrder, PeerRecord, PeerSpec, Slice, Timestamp},
    error::{Conflict, StoreError},
    store::{
        Store,
        audit::{self, Change},
        edits, metadata, rows,
        selected::{is_selected, wanted},
        shared::Shared,
    },
};

/// The condition of a [`PeerFilter`]: as [`is_selected`], and `$7` is whether the peer is approved.
macro_rules! matches_filter {
    ($engine:ident) => {
        concat!(is_selected!($engine), " AND ($7 IS NULL OR p.approved = $7)")
    };
}

impl Store {
    /// A peer, approved or not.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it does not exist; otherwise when the database fails.
    pub async fn peer(&self, id: PeerId) -> Result<PeerRecord, StoreError> {
        let select = sql!("SELECT ", (peer_columns), " WHERE p.id = $1");
        let row: Option<PeerRow> = self.db().optional(select, args![id]).await?;
        row.ok_or(StoreError::NotFound("peer"))?.into_record(&self.shared.key)
    }

    /// A part of the peers that a filter selects.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peers(&self, filter: &PeerFilter, slice: impl Into<Slice>) -> Result<Page<PeerRecord>, StoreError> {
        let mut parameters = wanted(&filter.node);
        parameters.extend(args![filter.approved]);
        let count = sql!("SELECT count(*) FROM peers p WHERE ", (matches_filter));
        let (total,): (i64,) = self.db().one(count, parameters.clone()).await?;
        let select = match filter.order {
            PeerOrder::OldestFirst => {
                sql!("SELECT ", (peer_columns), " WHERE ", (matches_filter), " ORDER BY p.id LIMIT $8 OFFSET $9")
            }
            PeerOrder::NewestFirst => {
                sql!("SELECT ", (peer_columns), " WHERE ", (matches_filter), " ORDER BY p.id DESC LIMIT $8 OFFSET $9")
            }
        };
        let (limit, offset) = slice.into().bounds();
        parameters.extend(args![limit, offset]);
        let items = self.records(select, parameters).await?;
        Ok(Page { items, total: rows::count(total) })
    }

    /// Every peer with its secret, in the order of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn export_peers(&self) -> Result<Vec<PeerRecord>, StoreError> {
        self.records(sql!("SELECT ", (peer_columns), " ORDER BY p.id"), vec![]).await
    }

    async fn records(&self, select: Sql, args: Vec<Value>) -> Result<Vec<PeerRecord>, StoreError> {
        let rows: Vec<PeerRow> = self.db().all(select, args).await?;
        rows.into_iter().map(|row| row.into_record(&self.shared.key)).collect()
    }

    /// Changes a peer: `edit` gets the stored description and changes it in place; it may be called again when another
    /// transaction was faster. Returns the peer after the change. A peer with another URL, network or depth of checks is
    /// another one: what was known about it is forgotten. A region that does not check it any more has no vote.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the peer does not exist; [`Conflict::PeerListed`] when another peer has the same URL
    /// and network; otherwise when the database fails.
    pub async fn edit_peer(
        &self,
        id: PeerId,
        edit: impl Fn(&mut PeerSpec) + Send + Sync,
        now: Timestamp,
    ) -> Result<PeerRecord, StoreError> {
        self.edit_seen_peer(id, None, edit, now).await
    }

    /// Changes a peer like [`edit_peer`](Self::edit_peer), if nobody changed it since `seen`, its
    /// [`updated_at`](PeerRecord::updated_at) when the caller read it.
    ///
    /// # Errors
    ///
    /// [`Conflict::PeerChanged`] when somebody did; otherwise like `edit_peer`.
    pub async fn edit_seen_peer(
        &self,
        id: PeerId,
        seen: Option<Timestamp>,
        edit: impl Fn(&mut PeerSpec) + Send + Sync,
        now: Timestamp,
    ) -> Result<PeerRecord, StoreError> {
        let edit = &edit;
        self.db().transaction(|tx| work(edit_seen(tx, &self.shared, id, seen, edit, now))).await
    }

    /// Approves a peer, or takes it off the list while keeping its history.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the peer does not exist; otherwise when the database fails.
    pub async fn set_approved(&self, id: PeerId, approved: bool, now: Timestamp) -> Result<(), StoreError> {
        self.db().transaction(|tx| work(set_approved(tx, id, approved, now))).await
    }

    /// Deletes a peer. Its raw results and rollups are deleted when they expire, the rollups of days when its last result has
    /// expired; its id is never used again. A dependent deletes only those that are set aside.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the peer does not exist; otherwise when the database fails.
    pub async fn delete_peer(&self, id: PeerId, now: Timestamp) -> Result<(), StoreError> {
        self.db().transaction(|tx| work(delete_one(tx, id, now))).await
    }

    /// The names of peers by id, whether they are approved or not.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peer_names(&self, ids: &[i64]) -> Result<HashMap<i64, String>, StoreError> {
        let select = sql!("SELECT id, name FROM peers WHERE id ", (in 1));
        Ok(self.db().all::<(i64, String)>(select, args![ids.to_vec()]).await?.into_iter().collect())
    }
}

/// Changes a peer, if nobody changed it since `seen`, and notes it.
pub(in crate::store) async fn edit_seen(
    tx: &mut Tx,
    shared: &Shared,
    id: PeerId,
    seen: Option<Timestamp>,
    edit: &(impl Fn(&mut PeerSpec) + Send + Sync),
    now: Timestamp,
) -> Result<PeerRecord, StoreError> {
    let allowed = edits::allow(tx).await?;
    metadata::bump_config_version(tx).await?;
    let select = sql!("SELECT ", (peer_columns), " WHERE p.id = $1");
    let row: Option<PeerRow> = tx.optional(select, args![id]).await?;
    let mut record = row.ok_or(StoreError::NotFound("peer"))?.into_record(&shared.key)?;
    if seen.is_some_and(|seen| seen != record.updated_at) {
        return Err(Conflict::PeerChanged.into());
    }
    let known = record.spec.clone();
    edit(&mut record.spec);
    if write::is_listed(tx, &record.spec, Some(id)).await? {
        return Err(Conflict::PeerListed.into());
    }
    // Each change has a time of its own, also within one millisecond or when a clock goes back.
    let now = now.max(record.updated_at + Duration::from_millis(1));
    write::update(tx, shared, id, &known, &record.spec, now).await?;
    if Identity::of(&record.spec) != Identity::of(&known) {
        settle(tx, &[&record.spec]).await?;
    }
    let fields = known.changed_fields(&record.spec).join(", ");
    let changed = Change::of(AuditObject::Peer, AuditVerb::Change).id(id).named(&record.spec.name);
    allowed.note(tx, changed.detail(fields)).await?;
    record.updated_at = now;
    Ok(record)
}

/// Approves a peer or takes it off the list, and notes it.
pub(in crate::store) async fn set_approved(
    tx: &mut Tx,
    id: PeerId,
    approved: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let edit = edits::allow(tx).await?;
    metadata::bump_config_version(tx).await?;
    let update = "UPDATE peers SET approved = $2, updated_at = $3 WHERE id = $1 RETURNING name";
    let row: Option<(String,)> = tx.optional(update, args![id, approved, now]).await?;
    let (name,) = row.ok_or(StoreError::NotFound("peer"))?;
    let verb = if approved { AuditVerb::Approve } else { AuditVerb::Revoke };
    edit.note(tx, Change::of(AuditObject::Peer, verb).id(id).named(name)).await
}

/// Deletes a peer, and notes it.
pub(in crate::store) async fn delete_one(tx: &mut Tx, id: PeerId, now: Timestamp) -> Result<(), StoreError> {
    if !is_set_aside(tx, id).await? {
        edits::allow(tx).await?.skip();
    }
    metadata::bump_config_version(tx).await?;
    let row: Option<(String,)> = tx.optional("SELECT name FROM peers WHERE id = $1", args![id]).await?;
    let (name,) = row.ok_or(StoreError::NotFound("peer"))?;
    if write::delete(tx, vec![id.0], now).await? == 0 {
        return Err(StoreError::NotFound("peer"));
    }
    audit::note(tx, Change::of(AuditObject::Peer, AuditVerb::Remove).id(id).named(name)).await
}

/// Changes a peer, of which this is the last change then. The transaction has bumped the config version.
///
/// # Errors
///
/// [`StoreError::NotFound`] when the peer does not exist; otherwise when the database fails.
pub(in crate::store) async fn edit(
    tx: &mut Tx,
    shared: &Shared,
    id: PeerId,
    edit: impl Fn(&mut PeerSpec) + Send + Sync,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row: Option<PeerRow> = tx.optional(sql!("SELECT ", (peer_columns), " WHERE p.id = $1"), args![id]).await?;
    let known = row.ok_or(StoreError::NotFound("peer"))?.into_record(&shared.key)?.spec;
    let mut changed = known.clone();
    edit(&mut changed);
    write::update(tx, shared, id, &known, &changed, at).await
}

/// Whether a peer is set aside.
pub(in crate::store) async fn is_set_aside(tx: &mut Tx, id: PeerId) -> Result<bool, StoreError> {
    let select = "SELECT id FROM peers WHERE id = $1 AND set_aside";
    Ok(tx.optional::<(PeerId,)>(select, args![id]).await?.is_some())
}
