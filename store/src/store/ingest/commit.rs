//! Stores a group of batches in one transaction: when the probes were last heard from, raw results, counts, the consensus
//! and its events, leases.

use std::collections::{BTreeMap, BTreeSet, HashSet, btree_map::Entry};

use uuid::Uuid;

use super::{
    accepted::{Accepted, day_of},
    counts,
    judge::{Judged, judge},
};
use crate::{
    consensus::Observation,
    db::{Bulk, Column, Tx, Value, args},
    domain::{Batch, Count, PeerId, Policy, ProbeId, QUARTER, Receipt, RegionId, Rejected, Rejection, Timestamp},
    error::StoreError,
    store::{
        doubts, events,
        known_peers::PeerRegions,
        leases::{self, Checked},
        liveness::{self, DEFAULT_INTERVAL, Probes},
        rows,
        shared::Shared,
        states::{self, PeerState},
    },
};

/// How many times a transaction is attempted that conflicts with another one.
const MAX_ATTEMPTS: u32 = 4;

/// Whether some results of a group may have been stored before. Nearly always all are new, and looking for duplicates costs
/// a third of storing the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    AllNew,
    Duplicates,
}

/// Stores batches, all or none; returns their receipts in the same order.
pub(super) async fn store(shared: &Shared, batches: &[Batch]) -> Result<Vec<Receipt>, StoreError> {
    let mut attempt = 1;
    let mut expected = Expected::AllNew;
    loop {
        match attempt_to_store(shared, batches, expected).await {
            Ok(None) => expected = Expected::Duplicates,
            Ok(Some(receipts)) => return Ok(receipts),
            Err(error) if error.is_transient() && attempt < MAX_ATTEMPTS => {
                tracing::debug!(%error, attempt, "retrying after a conflict with another transaction");
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns `None` when all results were expected to be new, and some were not.
async fn attempt_to_store(
    shared: &Shared,
    batches: &[Batch],
    expected: Expected,
) -> Result<Option<Vec<Receipt>>, StoreError> {
    let mut receipts = vec![Receipt::default(); batches.len()];
    let accepted = judge_all(batches, shared, &mut receipts);
    let now = batches.iter().map(|batch| batch.received_at).max().unwrap_or_default();

    let mut tx = shared.db.begin().await?;
    // Locks the probes until the end, so that the results of one probe are counted one after another even when they go to
    // several hubs.
    let senders = touch_probes(&mut tx, batches).await?;
    let known = shared.known_peers.get(&mut tx).await?;
    let accepted = admit(accepted, &known, &mut receipts);
    let Some(accepted) = insert(&mut tx, accepted, expected, &mut receipts).await? else { return Ok(None) };
    counts::add(&mut tx, &accepted).await?;

    let mut probes = liveness::probes(&mut tx, now).await?;
    for sender in senders {
        probes.entry(sender).and_modify(|facts| facts.live = true);
    }
    let by_peer = group(&accepted);
    let mut states = states::load(&mut tx, by_peer.keys().map(|peer| peer.0).collect()).await?;
    if states.len() < by_peer.len() {
        // A peer was deleted after it was looked up.
        return Err(StoreError::Overtaken);
    }
    let (mut turned, policy) = (BTreeSet::new(), shared.policy());
    for state in &mut states {
        turned.extend(apply(state, &by_peer[&state.peer], &probes, &policy, now));
    }
    let doubtful = doubts::judge(&mut tx, turned, &mut states, &probes, &policy, now).await?;
    let changes = states.iter_mut().filter_map(|state| state.conclude(now)).collect();
    states::save(&mut tx, states, &policy).await?;
    events::record(&mut tx, changes).await?;
    leases::note_checked(&mut tx, newest_checks(&accepted)).await?;
    tx.commit().await?;

    if !doubtful.is_empty()
        && let Err(error) = doubts::spread(shared, &doubtful, now).await
    {
        tracing::warn!(%error, peers = doubtful.len(), "peers that are in doubt count until the next result");
    }
    for receipt in &mut receipts {
        receipt.rejected.sort_by_key(|rejected| rejected.index);
    }
    Ok(Some(receipts))
}

/// Validates results without the database: their times, their values, and ids that the group has twice.
fn judge_all<'a>(batches: &'a [Batch], shared: &Shared, receipts: &mut [Receipt]) -> Vec<Accepted<'a>> {
    let (mut ids, kept) = (HashSet::new(), shared.retention().results);
    let mut accepted = Vec::with_capacity(batches.iter().map(|batch| batch.results.len()).sum());
    for (nth, batch) in batches.iter().enumerate() {
        for (index, result) in batch.results.iter().enumerate() {
            match judge(batch, result.clone(), kept) {
                Ok(judged) if ids.insert(result.id) => {
                    let Batch { from, received_at, .. } = batch;
                    accepted.push(Accepted { batch: nth, index, from, received_at: *received_at, judged });
                }
                Ok(_) => receipts[nth].duplicates += 1,
                Err(reason) => receipts[nth].rejected.push(Rejected { index, reason }),
            }
        }
    }
    accepted
}

/// Rejects results of peers that do not exist, or that the region of the probe does not check.
fn admit<'a>(accepted: Vec<Accepted<'a>>, known: &PeerRegions, receipts: &mut [Receipt]) -> Vec<Accepted<'a>> {
    let refusal = |one: &Accepted| match known.get(&one.peer()) {
        None => Some(Rejection::UnknownPeer),
        Some(regions) if regions.is_empty() || regions.contains(&one.from.region_id) => None,
        Some(_) => Some(Rejection::WrongRegion),
    };
    let mut admitted = Vec::with_capacity(accepted.len());
    for one in accepted {
        match refusal(&one) {
            None => admitted.push(one),
            Some(reason) => receipts[one.batch].rejected.push(Rejected { index: one.index, reason }),
        }
    }
    admitted
}

const RESULT_COLUMNS: &[(&str, Column)] = &[
    ("day", Column::Int),
    ("result_id", Column::Uuid),
    ("quarter", Column::Int),
    ("peer_id", Column::Int),
    ("region_id", Column::Int),
    ("probe_id", Column::Int),
    ("checked_at", Column::Int),
    ("received_at", Column::Int),
    ("status", Column::Int),
    ("checks", Column::Int),
    ("healthy", Column::Int),
    ("response_us", Column::Int),
    ("min_us", Column::Int),
    ("max_us", Column::Int),
    ("stage", Column::Text),
    ("error", Column::Text),
    ("message", Column::Text),
    ("version", Column::Text),
    ("hostname", Column::Text),
    ("network_count", Column::Int),
    ("relay", Column::Text),
    ("relay_error", Column::Text),
];

static NEW_RESULTS: Bulk = Bulk::new("results", RESULT_COLUMNS, "");

static RESULTS: Bulk =
    Bulk::new("results", RESULT_COLUMNS, "ON CONFLICT (day, result_id) DO NOTHING RETURNING result_id");

/// Inserts raw results, and returns those that were not stored before; the others are counted as duplicates. Returns
/// `None` when there are duplicates that were not expected.
async fn insert<'a>(
    tx: &mut Tx,
    mut accepted: Vec<Accepted<'a>>,
    expected: Expected,
    receipts: &mut [Receipt],
) -> Result<Option<Vec<Accepted<'a>>>, StoreError> {
    accepted.sort_unstable_by_key(|one| one.judged.result.id);
    let values = values(&accepted);
    if expected == Expected::AllNew {
        match NEW_RESULTS.execute(tx, values).await {
            Err(error) if error.is_unique_violation() => return Ok(None),
            stored => stored?,
        };
        accepted.iter().for_each(|one| receipts[one.batch].accepted += 1);
        return Ok(Some(accepted));
    }
    let new: HashSet<Uuid> = RESULTS.returning::<(Uuid,)>(tx, values).await?.into_iter().map(|(id,)| id).collect();
    let mut stored = Vec::with_capacity(new.len());
    for one in accepted {
        let receipt = &mut receipts[one.batch];
        if new.contains(&one.judged.result.id) {
            receipt.accepted += 1;
            stored.push(one);
        } else {
            receipt.duplicates += 1;
        }
    }
    Ok(Some(stored))
}

fn values(accepted: &[Accepted<'_>]) -> Vec<Value> {
    let row = |one: &Accepted| {
        let Judged { at, healthy, response_us, min_us, max_us, result } = &one.judged;
        args![
            day_of(result.id),
            result.id,
            at.bucket(QUARTER),
            one.peer(),
            one.from.region_id,
            one.from.probe,
            *at,
            one.received_at,
            rows::status_code(result.status),
            result.checks,
            *healthy,
            *response_us,
            *min_us,
            *max_us,
            result.stage.as_str(),
            result.error.map(|code| code.as_str()),
            result.message.clone(),
            result.version.clone(),
            result.hostname.clone(),
            result.network_count,
            result.relay.map(rows::relay_name),
            result.relay_error.clone(),
        ]
    };
    let mut values = Vec::with_capacity(accepted.len() * RESULT_COLUMNS.len());
    accepted.iter().for_each(|one| values.extend(row(one)));
    values
}

/// The results by peer, in the order of their times.
fn group<'a, 'b>(accepted: &'b [Accepted<'a>]) -> BTreeMap<PeerId, Vec<&'b Accepted<'a>>> {
    let mut by_peer: BTreeMap<PeerId, Vec<&Accepted>> = BTreeMap::new();
    for one in accepted {
        by_peer.entry(one.peer()).or_default().push(one);
    }
    for seen in by_peer.values_mut() {
        seen.sort_by_key(|one| one.judged.at);
    }
    by_peer
}

/// Updates the state of one peer; returns the regions in which it turned offline.
fn apply(
    state: &mut PeerState,
    seen: &[&Accepted],
    probes: &Probes,
    policy: &Policy,
    now: Timestamp,
) -> impl Iterator<Item = RegionId> + use<> {
    let mut observations = Vec::with_capacity(seen.len());
    for Accepted { from, judged, .. } in seen {
        let Some(status) = states::region_status(judged.result.status) else { continue };
        state.count(judged.at, Count { checks: judged.result.checks, healthy: judged.healthy });
        state.describe(judged.at, judged.result.version.as_deref(), judged.result.network_count);
        let interval = probes.get(&from.probe).map_or(DEFAULT_INTERVAL, |facts| facts.interval);
        observations.push(Observation {
            region: from.region_id,
            probe: from.probe,
            status,
            at: judged.at,
            interval,
            response_us: judged.response_us,
        });
    }
    state.advance(&observations, probes, policy, now)
}

/// Notes that the senders were heard from; returns them.
async fn touch_probes(tx: &mut Tx, batches: &[Batch]) -> Result<Vec<ProbeId>, StoreError> {
    let mut newest: BTreeMap<ProbeId, Timestamp> = BTreeMap::new();
    for batch in batches {
        let seen = newest.entry(batch.from.probe).or_default();
        *seen = batch.received_at.max(*seen);
    }
    let update = "UPDATE probes SET unregistered_at = NULL, last_seen_at = \
                  CASE WHEN last_seen_at > $2 THEN last_seen_at ELSE $2 END WHERE id = $1";
    for (probe, at) in &newest {
        if tx.execute(update, args![*probe, *at]).await? == 0 {
            // It was removed after it was authenticated.
            return Err(StoreError::Overtaken);
        }
    }
    Ok(newest.into_keys().collect())
}

/// The newest check by region and peer.
fn newest_checks(accepted: &[Accepted]) -> Vec<Checked> {
    let mut newest: BTreeMap<(RegionId, PeerId), Checked> = BTreeMap::new();
    for one in accepted {
        let (region, peer, at) = (one.from.region_id, one.peer(), one.judged.at);
        let checked = Checked { region, peer, probe: one.from.probe, at };
        match newest.entry((region, peer)) {
            Entry::Vacant(entry) => drop(entry.insert(checked)),
            Entry::Occupied(mut entry) if entry.get().at < at => {
                entry.insert(checked);
            }
            Entry::Occupied(_) => {}
        }
    }
    newest.into_values().collect()
}
