//! The log of changes.

use std::cmp::Reverse;

use serde_json::Value as Json;

use super::{Store, watched::is_watched};
use crate::{
    db::{Bulk, Column, Sql, Tx, args, sql},
    domain::{Event, EventKind, EventSubject, Timestamp},
    error::StoreError,
};

static EVENTS: Bulk = Bulk::new(
    "events",
    &[
        ("at", Column::Int),
        ("kind", Column::Text),
        ("subject_id", Column::Int),
        ("was", Column::Text),
        ("became", Column::Text),
        ("detail", Column::Text),
    ],
    "",
);

/// A change that was just noticed.
#[derive(Debug, Clone)]
pub(super) struct NewEvent {
    pub at: Timestamp,
    pub kind: EventKind,
    pub subject_id: i64,
    pub was: &'static str,
    pub became: &'static str,
    pub detail: Json,
}

/// The columns of an [`EventRow`].
macro_rules! event_columns {
    ($engine:ident) => {
        "e.id, e.at, e.kind, e.subject_id, e.was, e.became, e.detail"
    };
}

/// The condition that an event `e` is visible and older than the id `$2`. With `$1` all events are visible, otherwise those of
/// probes and of approved peers. The condition on the id stands alone, so that a page begins with a search in the index.
macro_rules! visible_before {
    ($engine:ident) => {
        concat!(
            "($1 OR e.kind = 'probe' OR EXISTS (SELECT 1 FROM peers p WHERE p.id = e.subject_id AND ",
            is_watched!($engine),
            ")) AND e.id < $2"
        )
    };
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: i64,
    at: Timestamp,
    kind: String,
    subject_id: i64,
    was: String,
    became: String,
    detail: String,
}

/// Lets one transaction at a time have ids for events, until it ends.
const IN_ORDER: Sql = sql!(["SELECT 1" | "SELECT pg_advisory_xact_lock(111550860886021)"]);

/// Stores events so that their ids are in the order of the commits, where several transactions record at the same time: whoever
/// has read up to an id has missed none. To be called last in a transaction, before it ends or is fenced, because other
/// recorders wait.
pub(super) async fn record_in_order(tx: &mut Tx, events: Vec<NewEvent>) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    tx.execute(IN_ORDER, vec![]).await?;
    record(tx, events).await
}

/// Stores events. A transaction that does not end soon afterwards has other signs of its changes than the ids.
pub(super) async fn record(tx: &mut Tx, events: Vec<NewEvent>) -> Result<(), StoreError> {
    let values = events
        .into_iter()
        .flat_map(|event| {
            let NewEvent { at, kind, subject_id, was, became, detail } = event;
            args![at, kind.as_str(), subject_id, was, became, detail.to_string()]
        })
        .collect();
    EVENTS.execute(tx, values).await.map(drop)
}

impl Store {
    /// At most `limit` events, the newest first: all events or those of one `subject`, and only those with ids less than
    /// `before`. Events of peers that are not approved or were deleted are left out unless `all` is set.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn events(
        &self,
        subject: Option<EventSubject>,
        before: Option<i64>,
        limit: u32,
        all: bool,
    ) -> Result<Vec<Event>, StoreError> {
        let (before, limit) = (before.unwrap_or(i64::MAX), i64::from(limit.max(1)));
        let rows: Vec<EventRow> = match subject {
            None => {
                let select = sql!(
                    "SELECT ",
                    (event_columns),
                    " FROM events e WHERE ",
                    (visible_before),
                    " ORDER BY e.id DESC LIMIT $3"
                );
                self.db().all(select, args![all, before, limit]).await?
            }
            Some(subject) => {
                let select = sql!(
                    "SELECT ",
                    (event_columns),
                    " FROM events e WHERE ",
                    (visible_before),
                    " AND e.kind = $3 AND e.subject_id = $4 ORDER BY e.id DESC LIMIT $5"
                );
                // A search in the index for each kind, because a node may have very many events of one.
                let mut rows: Vec<EventRow> = Vec::new();
                for kind in subject.kinds() {
                    let parameters = args![all, before, kind.as_str(), subject.id(), limit];
                    let of_kind: Vec<EventRow> = self.db().all(select, parameters).await?;
                    rows.extend(of_kind);
                }
                rows.sort_unstable_by_key(|row| Reverse(row.id));
                rows.truncate(limit.unsigned_abs() as usize);
                rows
            }
        };
        rows.into_iter().filter(EventRow::is_known).map(EventRow::into_event).collect()
    }

    /// At most `limit` events after the one with the id `cursor`, the oldest first: verdicts of all peers, and probes. None
    /// appears later with an id that is less than one that was returned, except of a peer that somebody changed.
    pub(super) async fn events_after(&self, cursor: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let select = sql!(
            "SELECT ",
            (event_columns),
            " FROM events e WHERE e.id > $1 AND e.kind IN ('peer', 'probe') ORDER BY e.id LIMIT $2"
        );
        let rows: Vec<EventRow> = self.db().all(select, args![cursor, i64::from(limit.max(1))]).await?;
        rows.into_iter().map(EventRow::into_event).collect()
    }

    /// At most `limit` events of approved peers, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn peer_events(&self, limit: u32) -> Result<Vec<Event>, StoreError> {
        let select = sql!(
            "SELECT ",
            (event_columns),
            " FROM events e JOIN peers p ON p.id = e.subject_id WHERE e.kind IN ('peer', 'relay') AND ",
            (is_watched),
            " ORDER BY e.id DESC LIMIT $1"
        );
        let rows: Vec<EventRow> = self.db().all(select, args![limit]).await?;
        rows.into_iter().map(EventRow::into_event).collect()
    }
}

impl EventRow {
    /// A newer hub on the same database may log other kinds of events.
    fn is_known(&self) -> bool {
        EventKind::from_name(&self.kind).is_some()
    }

    fn into_event(self) -> Result<Event, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("events.{what} of {}", self.id));
        Ok(Event {
            kind: EventKind::from_name(&self.kind).ok_or_else(|| corrupt("kind"))?,
            detail: serde_json::from_str(&self.detail).map_err(|_| corrupt("detail"))?,
            id: self.id,
            at: self.at,
            subject_id: self.subject_id,
            was: self.was,
            became: self.became,
        })
    }
}
