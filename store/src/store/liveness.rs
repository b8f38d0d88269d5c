//! Which probes are running, as the consensus needs it.

use std::{collections::HashMap, time::Duration};

use super::rows;
use crate::{
    db::{Tx, args, sql},
    domain::{LifeSigns, PROBE_EXPIRES_AFTER, Policy, Presence, ProbeId, Timestamp},
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

/// The probes that did not expire.
pub(super) type Probes = HashMap<ProbeId, ProbeFacts>;

/// The columns of a [`PresenceRow`], of a probe `b`.
macro_rules! presence_columns {
    ($engine:ident) => {
        "b.last_seen_at, b.last_heartbeat_at, b.check_interval_ms, b.degraded, b.unregistered_at"
    };
}
pub(super) use presence_columns;

/// What the presence of a probe depends on, for probes that were ever heard from.
#[derive(sqlx::FromRow)]
pub(super) struct PresenceRow {
    pub last_seen_at: Timestamp,
    last_heartbeat_at: Option<Timestamp>,
    check_interval_ms: Option<i64>,
    degraded: bool,
    unregistered_at: Option<Timestamp>,
}

impl PresenceRow {
    pub(super) fn check_interval(&self) -> Option<Duration> {
        rows::duration(self.check_interval_ms)
    }

    pub(super) fn presence(&self, now: Timestamp) -> Presence {
        let signs = LifeSigns {
            last_seen_at: self.last_seen_at,
            last_heartbeat_at: self.last_heartbeat_at,
            check_interval: self.check_interval(),
            degraded: self.degraded,
            unregistered: self.unregistered_at.is_some(),
        };
        Presence::of(&signs, now)
    }
}

#[derive(sqlx::FromRow)]
struct FactsRow {
    id: ProbeId,
    holds_sessions: bool,
    #[sqlx(flatten)]
    presence: PresenceRow,
}

/// How long a standby that hears no more from its primary goes by what it knows: until then another primary leads, and the probes
/// have found it.
const MAX_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The probes at `now`, and the policy by which their evidence counts. What a standby knows of others is as old as its last
/// mirroring: while that is no longer than five minutes ago, silence since then says nothing, and nothing becomes stale by it.
pub(super) async fn judgement(tx: &mut Tx, policy: Policy, now: Timestamp) -> Result<(Probes, Policy), StoreError> {
    let (mirrored_at,): (Option<Timestamp>,) = tx.one("SELECT mirrored_at FROM instance", vec![]).await?;
    let silence = mirrored_at.map(|at| now.since(at)).filter(|silence| *silence <= MAX_PATIENCE);
    let patience = silence.unwrap_or_default();
    Ok((probes_as_of(tx, now, patience).await?, Policy { patience, ..policy }))
}

/// The probes at `now`, without those that expired: there may be many of these, and their evidence is stale.
pub(super) async fn probes(tx: &mut Tx, now: Timestamp) -> Result<Probes, StoreError> {
    probes_as_of(tx, now, Duration::ZERO).await
}

async fn probes_as_of(tx: &mut Tx, now: Timestamp, patience: Duration) -> Result<Probes, StoreError> {
    let select =
        sql!("SELECT b.id, b.holds_sessions, ", (presence_columns), " FROM probes b WHERE b.last_seen_at >= $1");
    let rows: Vec<FactsRow> = tx.all(select, args![now - PROBE_EXPIRES_AFTER]).await?;
    let facts = |FactsRow { id, holds_sessions, presence }: FactsRow| {
        let live = presence.presence(now - patience) != Presence::Offline;
        let interval = presence.check_interval().unwrap_or(DEFAULT_INTERVAL);
        (id, ProbeFacts { live, holds_sessions, interval })
    };
    Ok(rows.into_iter().map(facts).collect())
}
