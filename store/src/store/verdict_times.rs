//! For how long each peer had which verdict, from which its uptime follows.
//!
//! When a verdict ends, its time is stored; the time of the present verdict is in `peer_states`. Verdicts that begin and end
//! within one hour share a row, so that a peer that flaps has at most two rows an hour. A row of several verdicts never
//! spans two hours: what began at the start of an hour or later is counted to the millisecond.
//!
//! The part of each verdict in which the peer was in maintenance is stored once more, in `maintained_times`, in the same form. It is
//! stored when the verdict ends, or when the maintenance does: from what the maintenance was, and not from what a window says
//! today, so that no later edit changes the past.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{Store, rows};
use crate::{
    db::{Bulk, Column, Tx, Value, args, sql},
    domain::{PeerId, Timestamp, Uptime, Verdict, VerdictTimes, millis},
    error::StoreError,
};

/// The length of the buckets of its rows.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

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

/// Adds rows to a table of times.
macro_rules! times {
    ($table:literal) => {
        Bulk::new(
            $table,
            COLUMNS,
            concat!(
                "ON CONFLICT (peer_id, hour, whole) DO UPDATE SET began_at = CASE WHEN ",
                $table,
                ".began_at < excluded.began_at THEN ",
                $table,
                ".began_at ELSE excluded.began_at END, ended_at = CASE WHEN ",
                $table,
                ".ended_at > excluded.ended_at THEN ",
                $table,
                ".ended_at ELSE excluded.ended_at END, up_ms = ",
                $table,
                ".up_ms + excluded.up_ms, partial_ms = ",
                $table,
                ".partial_ms + excluded.partial_ms, down_ms = ",
                $table,
                ".down_ms + excluded.down_ms"
            ),
        )
    };
}

static VERDICT_TIMES: Bulk = times!("verdict_times");
static MAINTAINED_TIMES: Bulk = times!("maintained_times");

/// The present maintenance of a peer.
#[derive(sqlx::FromRow)]
struct MaintainedRow {
    peer_id: PeerId,
    began_at: Timestamp,
    ends_at: Timestamp,
}

/// Stores verdicts that ended, at most one of each peer, and the part of each that was in maintenance. Time without a verdict is
/// not stored, and neither is what ended before it began, because a clock was set back. The transaction has locked the states
/// of the peers. Returns the parts in maintenance.
pub(super) async fn add(tx: &mut Tx, ended: impl Iterator<Item = Span>) -> Result<Vec<Span>, StoreError> {
    let ended: Vec<Span> = ended.filter(Span::is_known).collect();
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let select = sql!("SELECT peer_id, began_at, ends_at FROM maintained_peers WHERE peer_id ", (in 1));
    let maintained: Vec<MaintainedRow> = tx.all(select, args![peers_of(&ended)]).await?;
    let maintained: HashMap<PeerId, MaintainedRow> = maintained.into_iter().map(|row| (row.peer_id, row)).collect();
    let part = |span: &Span| maintained.get(&span.peer).map(|row| span.within(row.began_at, row.ends_at));
    let parts: Vec<Span> = ended.iter().filter_map(part).collect();
    add_maintained(tx, parts.iter().copied()).await?;
    VERDICT_TIMES.execute(tx, rows_of(ended.into_iter())).await?;
    Ok(parts)
}

/// Stores parts of verdicts that were in maintenance, at most one of each peer.
pub(super) async fn add_maintained(tx: &mut Tx, parts: impl Iterator<Item = Span>) -> Result<(), StoreError> {
    MAINTAINED_TIMES.execute(tx, rows_of(parts.filter(Span::is_known))).await.map(drop)
}

impl Span {
    /// Whether it says something about the peer.
    fn is_known(&self) -> bool {
        self.verdict != Verdict::Unknown && self.ended_at > self.began_at
    }

    /// How long it took; zero when it ended before it began.
    pub(super) fn length(&self) -> Duration {
        self.ended_at.since(self.began_at)
    }

    /// The part of it in a time.
    pub(super) fn within(&self, from: Timestamp, to: Timestamp) -> Self {
        Self { began_at: self.began_at.max(from), ended_at: self.ended_at.min(to), ..*self }
    }
}

fn peers_of(spans: &[Span]) -> Vec<i64> {
    spans.iter().map(|span| span.peer.0).collect()
}

/// The rows of spans, in the order of their keys.
fn rows_of(spans: impl Iterator<Item = Span>) -> Vec<Value> {
    let rows: BTreeMap<(PeerId, i64), Span> =
        spans.map(|span| ((span.peer, span.ended_at.bucket(HOUR)), span)).collect();
    let row = |((peer, hour), span): ((PeerId, i64), Span)| {
        let VerdictTimes { up, partial, down } = VerdictTimes::of(span.verdict, span.length());
        let whole = i64::from(span.began_at.bucket(HOUR) < hour);
        args![peer, hour, whole, span.began_at, span.ended_at, millis(up), millis(partial), millis(down)]
    };
    rows.into_iter().flat_map(row).collect()
}

/// Forgets the verdicts of peers.
pub(super) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM verdict_times WHERE peer_id ", (in 1)), args![peers.clone()]).await?;
    tx.execute(sql!("DELETE FROM maintained_times WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}

/// The present verdict of a peer, its present maintenance, and the sums of its earlier verdicts and of their parts in maintenance.
#[derive(sqlx::FromRow)]
struct UptimeRow {
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
    began_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    up_ms: Option<i64>,
    partial_ms: Option<i64>,
    down_ms: Option<i64>,
    maintained_up_ms: Option<i64>,
    maintained_partial_ms: Option<i64>,
    maintained_down_ms: Option<i64>,
}

/// The sum of a column of a table of times since the time `$2`, which is the start of an hour: only a row of one verdict can
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

/// The sums of a table of times for the peers `$3`, since the time `$2` in the hour `$1`.
macro_rules! sums {
    ($engine:ident $table:literal) => {
        concat!(
            "SELECT v.peer_id, ",
            sum_since!($engine "up_ms"),
            ", ",
            sum_since!($engine "partial_ms"),
            ", ",
            sum_since!($engine "down_ms"),
            " FROM ",
            $table,
            " v WHERE v.hour >= $1 AND v.ended_at > $2 AND v.peer_id ",
            $crate::db::in_list!($engine 3),
            " GROUP BY v.peer_id"
        )
    };
}

impl Store {
    /// For how long these peers had which verdict, up to `now`, in maintenance and outside. The time begins with the hour in which
    /// `window` began, so it is up to an hour longer. Peers that do not exist are left out.
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
        // One statement: a verdict that ends meanwhile would count twice, or not at all.
        let select = sql!(
            "SELECT s.peer_id, s.verdict, s.since, m.began_at, m.ends_at, a.up_ms, a.partial_ms, a.down_ms, \
             b.up_ms AS maintained_up_ms, b.partial_ms AS maintained_partial_ms, b.down_ms AS maintained_down_ms \
             FROM peer_states s LEFT JOIN maintained_peers m ON m.peer_id = s.peer_id LEFT JOIN (",
            (sums "verdict_times"),
            ") a ON a.peer_id = s.peer_id LEFT JOIN (",
            (sums "maintained_times"),
            ") b ON b.peer_id = s.peer_id WHERE s.peer_id ",
            (in 3)
        );
        let ids: Vec<i64> = peers.iter().map(|peer| peer.0).collect();
        let found: Vec<UptimeRow> = self.db().all(select, args![hour, from, ids]).await?;
        let uptime = |row: UptimeRow| {
            let verdict = rows::verdict(row.verdict)?;
            let mut all = times_of([row.up_ms, row.partial_ms, row.down_ms]);
            // A verdict of this moment counts already.
            let present = now.since(row.since.max(from)).max(Duration::from_millis(1));
            all += VerdictTimes::of(verdict, present);
            let mut maintained = times_of([row.maintained_up_ms, row.maintained_partial_ms, row.maintained_down_ms]);
            if let (Some(began_at), Some(ends_at)) = (row.began_at, row.ends_at) {
                let part = ends_at.min(now).since(row.since.max(from).max(began_at));
                maintained += VerdictTimes::of(verdict, part);
            }
            Ok((row.peer_id, Uptime::split(all, maintained)))
        };
        found.into_iter().map(uptime).collect()
    }
}

/// The times of sums in milliseconds; a sum over no rows is zero.
pub(super) fn times_of(sums: [Option<i64>; 3]) -> VerdictTimes {
    let [up, partial, down] = sums.map(|ms| Duration::from_millis(rows::count(ms.unwrap_or_default())));
    VerdictTimes { up, partial, down }
}
