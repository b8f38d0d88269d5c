//! Takes in results of another instance.

use std::{collections::BTreeMap, time::Duration};

use easytier_probe::CheckResult;
use futures::future::try_join_all;

use crate::{
    db::{Tx, args, work},
    domain::{Batch, ForeignBatch, ProbeIdentity, Receipt, Region, Rejected, Rejection, Timestamp, Via, millis},
    error::{Conflict, StoreError},
    store::{Store, probes, regions, rows::without_nul},
};

/// The sender of results: the name of a probe, and the region in which it checked.
type Sender = (String, Region);

impl Store {
    /// Stores results of another instance, like [`Store::ingest`]: each once, whoever sends it and however often. A probe or
    /// region that is not known yet is added.
    ///
    /// # Errors
    ///
    /// [`StoreError::Behind`] when a peer is unknown and the sender holds a newer configuration: nothing is stored, and the
    /// results should be sent again after a synchronisation. Otherwise like `ingest`.
    pub async fn ingest_foreign(&self, batch: ForeignBatch) -> Result<Receipt, StoreError> {
        let ForeignBatch { results, received_at, sent_at, config, mirrored } = batch;
        let peers = self.peers_by_uid(results.iter().map(|one| one.peer_uid.clone()).collect()).await?;
        let mut receipt = Receipt::default();
        let mut by_sender: BTreeMap<Sender, Vec<(usize, CheckResult)>> = BTreeMap::new();
        let mut intervals = BTreeMap::new();
        for (index, one) in results.into_iter().enumerate() {
            let Some(peer) = peers.get(&one.peer_uid) else {
                receipt.rejected.push(Rejected { index, reason: Rejection::UnknownPeer });
                continue;
            };
            let server_id = without_nul(&one.server_id);
            intervals.extend(one.check_interval.map(|interval| (server_id.clone(), interval)));
            let result = CheckResult { peer_id: peer.0, ..one.result };
            by_sender.entry((server_id, one.region)).or_default().push((index, result));
        }
        if let Some(named) = config
            && !receipt.rejected.is_empty()
            && self.is_behind(named).await?
        {
            return Err(StoreError::Behind(named));
        }
        let senders = &by_sender.keys().cloned().collect::<Vec<_>>();
        let (intervals, now) = (&intervals, received_at);
        let identities = self.db().transaction(|tx| work(identify(tx, senders, intervals, now))).await?;

        let via = Via::Instance { mirrored };
        let stored = identities.into_iter().zip(by_sender.into_values()).map(|(from, results)| async move {
            let (places, results): (Vec<usize>, Vec<CheckResult>) = results.into_iter().unzip();
            let batch = Batch { from, received_at, sent_at, via, results };
            self.ingest(batch).await.map(|receipt| (places, receipt))
        });
        for (places, stored) in try_join_all(stored).await? {
            receipt.accepted += stored.accepted;
            receipt.duplicates += stored.duplicates;
            let rejected = stored.rejected.into_iter();
            receipt.rejected.extend(rejected.map(|one| Rejected { index: places[one.index], ..one }));
        }
        receipt.rejected.sort_by_key(|rejected| rejected.index);
        Ok(receipt)
    }
}

/// The probes of senders, in their order. Those that are not known yet are added.
async fn identify(
    tx: &mut Tx,
    senders: &[Sender],
    intervals: &BTreeMap<String, Duration>,
    now: Timestamp,
) -> Result<Vec<ProbeIdentity>, StoreError> {
    let mut identities = Vec::with_capacity(senders.len());
    for (server_id, region) in senders {
        let region_id = regions::ensure(tx, region).await?;
        let probe = match probes::find(tx, server_id).await? {
            Some((probe, _)) => probe,
            None => match probes::insert(tx, server_id, true, region_id, now).await {
                // Another transaction added it meanwhile; this one runs again.
                Err(StoreError::Conflict(Conflict::ServerIdTaken)) => return Err(StoreError::Overtaken),
                added => added?,
            },
        };
        if let Some(interval) = intervals.get(server_id) {
            let update = "UPDATE probes SET check_interval_ms = $2 \
                          WHERE id = $1 AND check_interval_ms IS DISTINCT FROM $2";
            tx.execute(update, args![probe, millis(*interval)]).await?;
        }
        let (server_id, region) = (server_id.clone(), region.clone());
        identities.push(ProbeIdentity { probe, server_id, region_id, region });
    }
    Ok(identities)
}
