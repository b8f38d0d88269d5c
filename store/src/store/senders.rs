//! The probes whose results are stored: when they were last heard from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    db::{Tx, args, sql},
    domain::{Batch, ProbeId, Timestamp, Via},
    error::StoreError,
};

/// Notes that the probes of batches were heard from, and locks them. Returns the versions of the list of peers that they
/// fetched last.
pub(super) async fn touch(tx: &mut Tx, batches: &[Batch]) -> Result<HashMap<ProbeId, Option<i64>>, StoreError> {
    let direct = batches.iter().filter(|batch| batch.via == Via::Probe);
    let senders: BTreeSet<ProbeId> = direct.clone().map(|batch| batch.from.probe).collect();
    let at = direct.map(|batch| batch.received_at).max().unwrap_or_default();
    let indirect = checked_at(batches);
    if !indirect.is_empty() {
        // In the order of their ids, also beside those that sent their results themselves.
        lock(tx, senders.iter().chain(indirect.keys()).map(|probe| probe.0).collect()).await?;
        for (probe, at) in indirect {
            let update = "UPDATE probes SET last_seen_at = CASE WHEN last_seen_at > $2 THEN last_seen_at ELSE $2 END, \
                          unregistered_at = CASE WHEN unregistered_at >= $2 THEN unregistered_at END WHERE id = $1";
            if tx.execute(update, args![probe, at]).await? == 0 {
                return Err(StoreError::Overtaken);
            }
        }
    }
    let update = sql!(
        "UPDATE probes SET unregistered_at = NULL, \
         last_seen_at = CASE WHEN last_seen_at > $2 THEN last_seen_at ELSE $2 END \
         WHERE id IN (SELECT id FROM probes WHERE id ",
        (in 1),
        " ORDER BY id",
        ["" | " FOR NO KEY UPDATE"],
        ") RETURNING id, config_version"
    );
    if senders.is_empty() {
        return Ok(HashMap::new());
    }
    let fetched: Vec<(ProbeId, Option<i64>)> =
        tx.all(update, args![senders.iter().map(|probe| probe.0).collect::<Vec<i64>>(), at]).await?;
    if fetched.len() < senders.len() {
        // A probe was removed after it was authenticated.
        return Err(StoreError::Overtaken);
    }
    Ok(fetched.into_iter().collect())
}

/// When the probes whose results came from other instances last checked, by the clock of this hub.
fn checked_at(batches: &[Batch]) -> BTreeMap<ProbeId, Timestamp> {
    let mut newest = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.via != Via::Probe) {
        let times = batch.results.iter().map(|result| batch.hub_time(result.checked_at.into()));
        let at = times.max().unwrap_or_default().min(batch.received_at);
        newest.entry(batch.from.probe).and_modify(|known: &mut Timestamp| *known = at.max(*known)).or_insert(at);
    }
    newest
}

async fn lock(tx: &mut Tx, probes: Vec<i64>) -> Result<(), StoreError> {
    let lock = sql!("SELECT id FROM probes WHERE id ", (in 1), " ORDER BY id", ["" | " FOR NO KEY UPDATE"]);
    tx.all::<(ProbeId,)>(lock, args![probes]).await.map(drop)
}
