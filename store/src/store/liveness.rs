//! Which probes are running, as the consensus needs it.

use std::{collections::HashMap, time::Duration};

use super::rows;
use crate::{
    db::{Tx, sql},
    domain::{Presence, ProbeId, Timestamp},
    error::StoreError,
};

/// The check interval of a probe that has not reported its own.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// What the consensus needs to know about a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeFacts {
    pub live: bool,
    pub holds_sessions: bool,
    pub interval: Duration,
}

/// The probes that were ever heard from.
pub(super) type Probes = HashMap<ProbeId, ProbeFacts>;

/// The columns of a [`PresenceRow`], of a probe `b`.
macro_rules! presence_columns {
    ($engine:ident) => {
        "b.last_seen_at, b.sends_heartbeats, b.check_interval_ms, b.degraded, b.unregistered_at"
    };
}
pub(super) use presence_columns;

/// What the presence of a probe depends on, for probes that were ever heard from.
#[derive(sqlx::FromRow)]
pub(super) struct PresenceRow {
    pub last_seen_at: Timestamp,
    sends_heartbeats: bool,
    check_interval_ms: Option<i64>,
    degraded: bool,
    unregistered_at: Option<Timestamp>,
}

impl PresenceRow {
    pub(super) fn check_interval(&self) -> Option<Duration> {
        rows::duration(self.check_interval_ms)
    }

    pub(super) fn presence(&self, now: Timestamp) -> Presence {
        let unregistered = self.unregistered_at.is_some();
        let interval = self.check_interval();
        Presence::of(Some(self.last_seen_at), self.sends_heartbeats, interval, self.degraded, unregistered, now)
    }
}

#[derive(sqlx::FromRow)]
struct FactsRow {
    id: ProbeId,
    holds_sessions: bool,
    #[sqlx(flatten)]
    presence: PresenceRow,
}

/// All probes that were ever heard from, at `now`.
pub(super) async fn probes(tx: &mut Tx, now: Timestamp) -> Result<Probes, StoreError> {
    let select =
        sql!("SELECT b.id, b.holds_sessions, ", (presence_columns), " FROM probes b WHERE b.last_seen_at IS NOT NULL");
    let rows: Vec<FactsRow> = tx.all(select, vec![]).await?;
    let facts = |FactsRow { id, holds_sessions, presence }: FactsRow| {
        let live = presence.presence(now) != Presence::Offline;
        let interval = presence.check_interval().unwrap_or(DEFAULT_INTERVAL);
        (id, ProbeFacts { live, holds_sessions, interval })
    };
    Ok(rows.into_iter().map(facts).collect())
}
