//! The stored rings of peers.

use std::collections::HashMap;

use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{Count, PeerId},
    error::StoreError,
    ring::Ring,
};

static RINGS: Bulk = Bulk::new(
    "rings",
    &[("peer_id", Column::Int), ("newest", Column::Int), ("counts", Column::Bytes)],
    "ON CONFLICT (peer_id) DO UPDATE SET newest = excluded.newest, counts = excluded.counts",
);

#[derive(sqlx::FromRow)]
struct RingRow {
    peer_id: PeerId,
    newest: i64,
    counts: Vec<u8>,
}

/// Decodes the row of a ring.
pub(super) fn decode(peer: PeerId, newest: i64, counts: &[u8]) -> Result<Ring, StoreError> {
    Ring::from_bytes(newest, counts).ok_or_else(|| StoreError::Corrupt(format!("rings.counts of {peer}")))
}

/// Deletes the rings of peers.
pub(super) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM rings WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}

/// Adds counts by quarter to the rings of peers; at least one count for each peer, peers in the order of ids.
pub(super) async fn add(tx: &mut Tx, counts: Vec<(PeerId, &[(i64, Count)])>) -> Result<(), StoreError> {
    if counts.is_empty() {
        return Ok(());
    }
    let select = sql!("SELECT peer_id, newest, counts FROM rings WHERE peer_id ", (in 1));
    let ids: Vec<i64> = counts.iter().map(|(peer, _)| peer.0).collect();
    let mut known: HashMap<PeerId, Ring> = HashMap::new();
    for row in tx.all::<RingRow>(select, args![ids]).await? {
        known.insert(row.peer_id, decode(row.peer_id, row.newest, &row.counts)?);
    }
    let values = counts
        .into_iter()
        .flat_map(|(peer, counts)| {
            let newest = counts.iter().map(|(quarter, _)| *quarter).max().unwrap_or_default();
            let mut ring = known.remove(&peer).unwrap_or_else(|| Ring::new(newest));
            for (quarter, count) in counts {
                ring.add(*quarter, *count);
            }
            args![peer, ring.newest(), ring.to_bytes()]
        })
        .collect();
    RINGS.execute(tx, values).await.map(drop)
}
