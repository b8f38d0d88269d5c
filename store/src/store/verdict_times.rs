//! For how long each peer had which verdict, from which its uptime follows.
//!
//! When a verdict ends, its time is stored; the time of the present verdict is in `peer_states`. Verdicts that begin and end
//! within one hour share a row, so that a peer that flaps has at most two rows an hour. A row of several verdicts never
//! spans two hours: what began at the start of an hour or later is counted to the millisecond.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{Store, rows};
use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{PeerId, Timestamp, Uptime, Verdict, millis},
    error::StoreError,
};

const HOUR: Duration = Duration::from_secs(3600);

/// One verdict of a peer, from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub peer: PeerId,
    pub verdict: Verdict,
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
}

const COLUMNS: &[(&str, Column)] = &[
    ("peer_id", Column::Int),
    ("hour", Column::Int),
    ("whole", Column::Int),
    ("began_at", Column::Int),
    ("ended_at", Column::Int),
    ("up_ms", Column::Int),
    ("partial_ms", Column::Int),
    ("down_ms", Column::Int),
];

static VERDICT_TIMES: Bulk = Bulk::new(
    "verdict_times",
    COLUMNS,
    "ON CONFLICT (peer_id, hour, whole) DO UPDATE SET \
     began_at = CASE WHEN verdict_times.began_at < excluded.began_at THEN verdict_times.began_at ELSE excluded.began_at END, \
     ended_at = CASE WHEN verdict_times.ended_at > excluded.ended_at THEN verdict_times.ended_at ELSE excluded.ended_at END, \
     up_ms = verdict_times.up_ms + excluded.up_ms, partial_ms = verdict_times.partial_ms + excluded.partial_ms, \
     down_ms = verdict_times.down_ms + excluded.down_ms",
);

/// Stores verdicts that ended, at most one of each peer. Time without a verdict is not stored, and neither is what ended
/// before it began, because a clock was set back.
pub(super) async fn add(tx: &mut Tx, ended: impl Iterator<Item = Span>) -> Result<(), StoreError> {
    let known = ended.filter(|span| span.verdict != Verdict::Unknown && span.ended_at > span.began_at);
    let rows: BTreeMap<(PeerId, i64), Span> =
        known.map(|span| ((span.peer, span.ended_at.bucket(HOUR)), span)).collect();
    let row = |((peer, hour), span): ((PeerId, i64), Span)| {
        let Uptime { up, partial, down } = Uptime::of(span.verdict, span.ended_at.since(span.began_at));
        let whole = i64::from(span.began_at.bucket(HOUR) < hour);
        args![peer, hour, whole, span.began_at, span.ended_at, millis(up), millis(partial), millis(down)]
    };
    VERDICT_TIMES.execute(tx, rows.into_iter().flat_map(row).collect()).await.map(drop)
}

/// Forgets the verdicts of peers.
pub(super) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM verdict_times WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}

#[derive(sqlx::FromRow)]
struct UptimeRow {
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
    up_ms: i64,
    partial_ms: i64,
    down_ms: i64,
}

/// The sum of a column of `verdict_times` since the time `$2`, which is the start of an hour: only a row of one verdict can
/// begin before it, and then this verdict held until the end of the row.
macro_rules! sum_since {
    ($engine:ident $column:literal) => {
        concat!(
            "CAST(coalesce(sum(CASE WHEN v.began_at >= $2 OR v.",
            $column,
            " < v.ended_at - $2 THEN v.",
            $column,
            " ELSE v.ended_at - $2 END), 0) AS BIGINT) AS ",
            $column
        )
    };
}

impl Store {
    /// For how long these peers had which verdict, up to `now`. The time begins with the hour in which `window` began, so it is
    /// up to an hour longer. Peers that do not exist are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn uptimes(
        &self,
        peers: &[PeerId],
        window: Duration,
        now: Timestamp,
    ) -> Result<HashMap<PeerId, Uptime>, StoreError> {
        let hour = (now - window).bucket(HOUR);
        let from = Timestamp::of_bucket(hour, HOUR);
        let select = sql!(
            "SELECT s.peer_id, s.verdict, s.since, ",
            (sum_since "up_ms"),
            ", ",
            (sum_since "partial_ms"),
            ", ",
            (sum_since "down_ms"),
            " FROM peer_states s LEFT JOIN verdict_times v ON v.peer_id = s.peer_id AND v.hour >= $1 AND v.ended_at > $2 \
             WHERE s.peer_id ",
            (in 3),
            " GROUP BY s.peer_id, s.verdict, s.since"
        );
        let ids: Vec<i64> = peers.iter().map(|peer| peer.0).collect();
        let found: Vec<UptimeRow> = self.db().all(select, args![hour, from, ids]).await?;
        let uptime = |row: UptimeRow| {
            let [up, partial, down] =
                [row.up_ms, row.partial_ms, row.down_ms].map(|ms| Duration::from_millis(rows::count(ms)));
            let mut uptime = Uptime { up, partial, down };
            // A verdict of this moment counts already.
            let present = now.since(row.since.max(from)).max(Duration::from_millis(1));
            uptime += Uptime::of(rows::verdict(row.verdict)?, present);
            Ok((row.peer_id, uptime))
        };
        found.into_iter().map(uptime).collect()
    }
}
