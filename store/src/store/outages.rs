//! The outages of each peer: how many there were, and how long they took.
//!
//! An outage is the time from the verdict down until the peer is seen online again. While it is unknown the outage goes on, but
//! that time is not counted, and neither is time in maintenance. Outages that are over share rows as verdicts do in
//! `verdict_times`, but by the day: one that began on an earlier day has a row of its own, so that a month has exactly its part.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::verdict_times::Span;
use crate::{
    db::{Bulk, Column, Tx, Value, args, sql},
    domain::{DAY, PeerId, Timestamp, Verdict, millis},
    error::StoreError,
};

static OUTAGES: Bulk = Bulk::new(
    "outages",
    &[
        ("peer_id", Column::Int),
        ("day", Column::Int),
        ("whole", Column::Int),
        ("began_at", Column::Int),
        ("ended_at", Column::Int),
        ("number", Column::Int),
        ("down_ms", Column::Int),
        ("longest_ms", Column::Int),
    ],
    "ON CONFLICT (peer_id, day, whole) DO UPDATE SET \
     began_at = CASE WHEN outages.began_at < excluded.began_at THEN outages.began_at ELSE excluded.began_at END, \
     ended_at = CASE WHEN outages.ended_at > excluded.ended_at THEN outages.ended_at ELSE excluded.ended_at END, \
     number = outages.number + excluded.number, down_ms = outages.down_ms + excluded.down_ms, \
     longest_ms = CASE WHEN outages.longest_ms > excluded.longest_ms THEN outages.longest_ms ELSE excluded.longest_ms END",
);

static OPEN_OUTAGES: Bulk = Bulk::new(
    "open_outages",
    &[
        ("peer_id", Column::Int),
        ("began_at", Column::Int),
        ("ended_at", Column::Int),
        ("down_ms", Column::Int),
        ("maintained_ms", Column::Int),
    ],
    "ON CONFLICT (peer_id) DO UPDATE SET ended_at = excluded.ended_at, down_ms = excluded.down_ms, \
     maintained_ms = excluded.maintained_ms",
);

/// A verdict that ended, and the next one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub span: Span,
    pub became: Verdict,
}

/// An outage that goes on, as far as it is stored.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
struct Open {
    peer_id: PeerId,
    began_at: Timestamp,
    ended_at: Timestamp,
    down_ms: i64,
    maintained_ms: i64,
}

impl Open {
    fn at(peer: PeerId, began_at: Timestamp) -> Self {
        Self { peer_id: peer, began_at, ended_at: began_at, down_ms: 0, maintained_ms: 0 }
    }

    fn row(self) -> Vec<Value> {
        args![self.peer_id, self.began_at, self.ended_at, self.down_ms, self.maintained_ms]
    }

    /// The row of an outage that is over. One that was in maintenance all the time is none.
    fn closed(self) -> Option<Vec<Value>> {
        let (day, counted) = (self.ended_at.bucket(DAY), self.down_ms - self.maintained_ms);
        let whole = i64::from(self.began_at.bucket(DAY) < day);
        let row = || args![self.peer_id, day, whole, self.began_at, self.ended_at, 1_i64, counted, counted];
        (counted > 0).then(row)
    }
}

/// Stores what verdicts that ended, at most one of each peer, say about outages. `maintained`: the parts of them that were in
/// maintenance. The transaction has locked the states of the peers.
pub(super) async fn note(
    tx: &mut Tx,
    ended: impl Iterator<Item = Ended>,
    maintained: &[Span],
) -> Result<(), StoreError> {
    let is_online = |verdict| matches!(verdict, Verdict::Up | Verdict::Partial);
    let concerns = |one: &Ended| match one.span.verdict {
        Verdict::Down => true,
        Verdict::Unknown => is_online(one.became),
        Verdict::Up | Verdict::Partial => false,
    };
    let ended: BTreeMap<PeerId, Ended> = ended.filter(concerns).map(|one| (one.span.peer, one)).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let mut open = open(tx, ended.keys().map(|peer| peer.0).collect()).await?;
    let parts: HashMap<PeerId, Duration> = maintained.iter().map(|part| (part.peer, part.length())).collect();
    let (mut kept, mut closed, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for (peer, Ended { span, became }) in ended {
        let stored = open.remove(&peer);
        let mut outage = match (span.verdict, stored) {
            (Verdict::Down, stored) => stored.unwrap_or(Open::at(peer, span.began_at)),
            (_, Some(stored)) => stored,
            (_, None) => continue,
        };
        if span.verdict == Verdict::Down {
            outage.ended_at = outage.ended_at.max(span.ended_at);
            outage.down_ms += millis(span.length());
            outage.maintained_ms += millis(parts.get(&peer).copied().unwrap_or_default());
        }
        if is_online(became) {
            closed.extend(outage.closed().unwrap_or_default());
            over.extend(stored.map(|_| peer.0));
        } else {
            kept.extend(outage.row());
        }
    }
    OUTAGES.execute(tx, closed).await?;
    OPEN_OUTAGES.execute(tx, kept).await?;
    if over.is_empty() {
        return Ok(());
    }
    tx.execute(sql!("DELETE FROM open_outages WHERE peer_id ", (in 1)), args![over]).await.map(drop)
}

/// Stores parts of present verdicts that were in maintenance, at most one of each peer. `began_at`: when the verdict of a part
/// began.
pub(super) async fn note_maintained(tx: &mut Tx, parts: &[(Timestamp, Span)]) -> Result<(), StoreError> {
    let down: BTreeMap<PeerId, &(Timestamp, Span)> = parts
        .iter()
        .filter(|(_, part)| part.verdict == Verdict::Down && part.ended_at > part.began_at)
        .map(|part| (part.1.peer, part))
        .collect();
    if down.is_empty() {
        return Ok(());
    }
    let mut open = open(tx, down.keys().map(|peer| peer.0).collect()).await?;
    let row = |(peer, (began_at, part)): (PeerId, &(Timestamp, Span))| {
        let mut outage = open.remove(&peer).unwrap_or(Open::at(peer, *began_at));
        outage.maintained_ms += millis(part.length());
        outage.row()
    };
    let rows = down.into_iter().flat_map(row).collect();
    OPEN_OUTAGES.execute(tx, rows).await.map(drop)
}

async fn open(tx: &mut Tx, peers: Vec<i64>) -> Result<HashMap<PeerId, Open>, StoreError> {
    let select =
        sql!("SELECT peer_id, began_at, ended_at, down_ms, maintained_ms FROM open_outages WHERE peer_id ", (in 1));
    let rows: Vec<Open> = tx.all(select, args![peers]).await?;
    Ok(rows.into_iter().map(|row| (row.peer_id, row)).collect())
}

/// Forgets the outages of peers.
pub(super) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM outages WHERE peer_id ", (in 1)), args![peers.clone()]).await?;
    tx.execute(sql!("DELETE FROM open_outages WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}
