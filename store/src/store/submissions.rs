//! The approval queue: nodes that strangers submitted.
//!
//! A submission is no peer. It takes no peer id, has no state, and changes no list that probes get, so it costs nothing
//! but its row. It says nothing about what is listed either: the same node may be submitted although it is listed, and more
//! than once.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Store,
    audit::{self, Change},
    edits, metadata,
    peers::{self, SpecRow, spec_columns},
    rows,
    selected::{is_selected_submission, wanted},
};
use crate::{
    crypto::HubKey,
    db::{Tx, args, sql, work},
    domain::{
        AuditObject, AuditVerb, DAY, Duplicate, NewPeer, NodeFilter, Page, PeerId, PeerOrder, PeerSpec, Slice,
        Submission, SubmissionId, Timestamp,
    },
    error::{Conflict, StoreError},
};

/// How long a submission waits. An operator who does not look for a month will not approve it.
pub(super) const KEPT_FOR: Duration = DAY.saturating_mul(30);

/// How many duplicates of a submission are looked for, of each kind.
macro_rules! max_duplicates {
    ($engine:ident) => {
        "5"
    };
}

/// The columns of a [`SubmissionRow`] and their table.
macro_rules! submission_columns {
    ($engine:ident) => {
        concat!(
            spec_columns!($engine),
            ", p.id, p.tags, p.regions, p.created_at, p.updated_at, \
             (SELECT string_agg(CAST(id AS TEXT), ',') FROM (SELECT o.id FROM peers o WHERE o.url = p.url \
              AND coalesce(o.network_name, '') = coalesce(p.network_name, '') ORDER BY o.id LIMIT ",
            max_duplicates!($engine),
            ") a) AS peers, \
             (SELECT string_agg(CAST(id AS TEXT), ',') FROM (SELECT o.id FROM submissions o WHERE o.url = p.url \
              AND coalesce(o.network_name, '') = coalesce(p.network_name, '') AND o.id <> p.id ORDER BY o.id LIMIT ",
            max_duplicates!($engine),
            ") b) AS twins FROM submissions p"
        )
    };
}

#[derive(sqlx::FromRow)]
struct SubmissionRow {
    id: SubmissionId,
    created_at: Timestamp,
    updated_at: Timestamp,
    peers: Option<String>,
    twins: Option<String>,
    #[sqlx(flatten)]
    spec: SpecRow,
}

impl Store {
    /// Puts a node of a stranger into the queue, unless `max` submissions wait already; then it returns `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotPrimary`] at a dependent, where nobody could approve it; otherwise when the database fails.
    pub async fn submit(&self, spec: &PeerSpec, max: u32, now: Timestamp) -> Result<Option<SubmissionId>, StoreError> {
        let key = &self.shared.key;
        self.db()
            .transaction(|tx| {
                work(async move {
                    edits::allow(tx).await?.skip();
                    insert(tx, key, spec, max, now).await
                })
            })
            .await
    }

    /// A submission.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it does not wait; otherwise when the database fails.
    pub async fn submission(&self, id: SubmissionId) -> Result<Submission, StoreError> {
        let select = sql!("SELECT ", (submission_columns), " WHERE p.id = $1");
        let row: Option<SubmissionRow> = self.db().optional(select, args![id]).await?;
        self.submission_of(row.ok_or(NOT_FOUND)?)
    }

    /// The part of the queue that a filter selects. Nothing in it is active, because nobody checks it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn submissions(
        &self,
        filter: &NodeFilter,
        order: PeerOrder,
        slice: impl Into<Slice>,
    ) -> Result<Page<Submission>, StoreError> {
        let mut parameters = wanted(filter);
        let count = sql!("SELECT count(*) FROM submissions p WHERE ", (is_selected_submission));
        let (total,): (i64,) = self.db().one(count, parameters.clone()).await?;
        let select = match order {
            PeerOrder::OldestFirst => {
                sql!(
                    "SELECT ",
                    (submission_columns),
                    " WHERE ",
                    (is_selected_submission),
                    " ORDER BY p.id LIMIT $7 OFFSET $8"
                )
            }
            PeerOrder::NewestFirst => {
                sql!(
                    "SELECT ",
                    (submission_columns),
                    " WHERE ",
                    (is_selected_submission),
                    " ORDER BY p.id DESC LIMIT $7 OFFSET $8"
                )
            }
        };
        let (limit, offset) = slice.into().bounds();
        parameters.extend(args![limit, offset]);
        let rows: Vec<SubmissionRow> = self.db().all(select, parameters).await?;
        let items = rows.into_iter().map(|row| self.submission_of(row)).collect::<Result<_, _>>()?;
        Ok(Page { items, total: rows::count(total) })
    }

    /// Changes a submission, unless somebody else changed it since its `updated_at` was `seen`: `edit` gets the stored
    /// description and changes it in place. It may be called again.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it does not wait; [`Conflict::PeerChanged`] when somebody changed it; otherwise when the
    /// database fails.
    pub async fn edit_submission(
        &self,
        id: SubmissionId,
        seen: Option<Timestamp>,
        edit: impl Fn(&mut PeerSpec) + Sync,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (edit, key) = (&edit, &self.shared.key);
        let update = "UPDATE submissions SET name = $2, url = $3, description = $4, network_name = $5, \
                      network_secret = $6, handshake_only = $7, timeout_ms = $8, allow_relay = $9, \
                      max_connections = $10, qq_number = $11, wechat = $12, mail = $13, tags = $14, regions = $15, \
                      updated_at = $16 WHERE id = $1";
        self.db()
            .transaction(|tx| {
                work(async move {
                    let mut spec = spec_of(tx, id, key).await?;
                    let changed = "SELECT updated_at FROM submissions WHERE id = $1";
                    let (updated_at,): (Timestamp,) = tx.one(changed, args![id]).await?;
                    if seen.is_some_and(|seen| seen != updated_at) {
                        return Err(Conflict::PeerChanged.into());
                    }
                    edit(&mut spec);
                    // Each change has a time of its own, also within one millisecond or when a clock goes back.
                    let now = now.max(updated_at + Duration::from_millis(1));
                    let mut parameters = args![id];
                    parameters.extend(peers::columns_of(&spec, key));
                    parameters.extend(args![joined(&spec.tags), joined(&spec.regions), now]);
                    tx.execute(update, parameters).await?;
                    audit::note(tx, change(AuditVerb::Change, id, &spec.name)).await
                })
            })
            .await
    }

    /// Makes a submission a peer, which gets its id now. All submissions of the same URL and network leave the queue.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it does not wait; [`Conflict::PeerListed`] when a peer has the same URL and network;
    /// otherwise when the database fails.
    pub async fn approve_submission(&self, id: SubmissionId, now: Timestamp) -> Result<PeerId, StoreError> {
        let key = &self.shared.key;
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    metadata::bump_config_version(tx).await?;
                    let spec = spec_of(tx, id, key).await?;
                    let noted = change(AuditVerb::Approve, id, &spec.name);
                    let new = NewPeer { spec, approved: true, submitted: true };
                    let peer = peers::insert_new(tx, key, &new, now).await?;
                    edit.note(tx, noted.detail(format!("peer {peer}"))).await?;
                    Ok(peer)
                })
            })
            .await
    }

    /// Removes a submission from the queue.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it does not wait; otherwise when the database fails.
    pub async fn reject_submission(&self, id: SubmissionId) -> Result<(), StoreError> {
        let delete = "DELETE FROM submissions WHERE id = $1 RETURNING name";
        self.db()
            .transaction(|tx| {
                work(async move {
                    let (name,) = tx.optional::<(String,)>(delete, args![id]).await?.ok_or(NOT_FOUND)?;
                    audit::note(tx, change(AuditVerb::Remove, id, &name)).await
                })
            })
            .await
    }

    fn submission_of(&self, row: SubmissionRow) -> Result<Submission, StoreError> {
        let peers = numbers(row.peers).map(|id| Duplicate::Peer(PeerId(id)));
        let twins = numbers(row.twins).map(|id| Duplicate::Submission(SubmissionId(id)));
        let duplicates = peers.chain(twins).collect();
        Ok(Submission {
            id: row.id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            duplicates,
            spec: row.spec.into_spec(&self.shared.key)?,
        })
    }
}

const NOT_FOUND: StoreError = StoreError::NotFound("submission");

fn change(verb: AuditVerb, id: SubmissionId, name: &str) -> Change {
    Change::of(AuditObject::Submission, verb).id(id).named(name)
}

/// Puts a node into the queue, unless `max` submissions wait already. Submissions at the same moment may exceed it by a few.
pub(super) async fn insert(
    tx: &mut Tx,
    key: &HubKey,
    spec: &PeerSpec,
    max: u32,
    now: Timestamp,
) -> Result<Option<SubmissionId>, StoreError> {
    let insert = "INSERT INTO submissions (name, url, description, network_name, network_secret, handshake_only, \
                  timeout_ms, allow_relay, max_connections, qq_number, wechat, mail, tags, regions, created_at) \
                  SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 \
                  WHERE (SELECT count(*) FROM submissions) < $16 RETURNING id";
    let mut parameters = peers::columns_of(spec, key);
    parameters.extend(args![joined(&spec.tags), joined(&spec.regions), now, max]);
    Ok(tx.optional::<(SubmissionId,)>(insert, parameters).await?.map(|(id,)| id))
}

/// Removes submissions that still wait.
pub(super) async fn withdraw(tx: &mut Tx, ids: &[SubmissionId]) -> Result<(), StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    tx.execute(sql!("DELETE FROM submissions WHERE id ", (in 1)), args![ids]).await.map(drop)
}

/// The description of a submission, which is locked until the end of the transaction.
async fn spec_of(tx: &mut Tx, id: SubmissionId, key: &HubKey) -> Result<PeerSpec, StoreError> {
    let select =
        sql!("SELECT ", (spec_columns), ", p.tags, p.regions FROM submissions p WHERE p.id = $1", ["" | " FOR UPDATE"]);
    let row: Option<SpecRow> = tx.optional(select, args![id]).await?;
    row.ok_or(NOT_FOUND)?.into_spec(key)
}

/// Labels as they are stored; `None` for none.
fn joined<T: ToString>(labels: &BTreeSet<T>) -> Option<String> {
    let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
    (!labels.is_empty()).then(|| labels.join(","))
}

fn numbers(joined: Option<String>) -> impl Iterator<Item = i64> {
    let numbers: Vec<i64> = joined.iter().flat_map(|list| list.split(',')).filter_map(|id| id.parse().ok()).collect();
    numbers.into_iter()
}
