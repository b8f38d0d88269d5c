//! A group of batches in one transaction: the probes' sign of life, raw results, counts, the consensus and its events,
//! leases.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use uuid::Uuid;

use super::{
    counts,
    judge::{Judged, judge},
    known::Regions,
};
use crate::{
    consensus::{Observation, Policy},
    model::{Batch, PeerId, ProbeId, ProbeIdentity, Receipt, RegionId, Rejected, Rejection},
    ring::Count,
    store::{
        Shared, StoreError,
        bulk::{Bulk, Column},
        engine::{Tx, Value, args},
        events,
        leases::{self, Checked},
        rows,
        states::{self, PeerState, Probes},
    },
    time::{DAY, QUARTER, Timestamp},
};

/// How often a transaction is tried that meets another hub's.
const ATTEMPTS: u32 = 4;

/// Whether some results of a group may have been stored before. Nearly always all are new, and to look costs a third of
/// storing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    AllNew,
    Duplicates,
}

/// Stores the batches, all or none; the receipts are in their order.
pub(super) async fn store(shared: &Shared, batches: &[Batch]) -> Result<Vec<Receipt>, StoreError> {
    let mut attempt = 1;
    let mut expected = Expected::AllNew;
    loop {
        match attempt_to_store(shared, batches, expected).await {
            Ok(None) => expected = Expected::Duplicates,
            Ok(Some(receipts)) => return Ok(receipts),
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                tracing::debug!(%error, attempt, "another transaction was in the way");
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A result on its way, and the batch it came in.
pub(super) struct Taken<'a> {
    batch: usize,
    index: usize,
    pub from: &'a ProbeIdentity,
    received_at: Timestamp,
    pub judged: Judged,
}

impl Taken<'_> {
    pub fn peer(&self) -> PeerId {
        PeerId(self.judged.result.peer_id)
    }
}

/// `None` when not all results were new although that was expected.
async fn attempt_to_store(
    shared: &Shared,
    batches: &[Batch],
    expected: Expected,
) -> Result<Option<Vec<Receipt>>, StoreError> {
    let mut receipts = vec![Receipt::default(); batches.len()];
    let taken = judge_all(batches, shared, &mut receipts);
    let now = batches.iter().map(|batch| batch.received_at).max().unwrap_or_default();

    let mut tx = shared.db.begin().await?;
    // Holds the probes until the end, so that the results of one probe are counted one after another even when they
    // go to several hubs. Tables are written in one order everywhere, and rows in that of their keys: nobody waits in
    // a circle.
    let senders = touch_probes(&mut tx, batches).await?;
    let known = shared.known_peers.get(&mut tx).await?;
    let taken = admit(taken, &known, &mut receipts);
    let Some(taken) = insert(&mut tx, taken, expected, &mut receipts).await? else { return Ok(None) };
    counts::add(&mut tx, &taken).await?;

    let mut probes = states::probes(&mut tx, now).await?;
    for sender in senders {
        probes.entry(sender).and_modify(|facts| facts.live = true);
    }
    let by_peer = group(&taken);
    let mut states = states::load(&mut tx, by_peer.keys().map(|peer| peer.0).collect()).await?;
    if states.len() < by_peer.len() {
        // A peer was deleted since it was looked up.
        return Err(StoreError::Overtaken);
    }
    let (mut changes, policy) = (Vec::new(), shared.policy());
    for state in &mut states {
        changes.extend(apply(state, &by_peer[&state.peer], &probes, &policy, now));
    }
    states::save(&mut tx, states, &policy).await?;
    events::record(&mut tx, changes).await?;
    leases::note_checked(&mut tx, newest_checks(&taken)).await?;
    tx.commit().await?;

    for receipt in &mut receipts {
        receipt.rejected.sort_by_key(|rejected| rejected.index);
    }
    Ok(Some(receipts))
}

/// What needs no database: times, figures, and ids that are in the group twice.
fn judge_all<'a>(batches: &'a [Batch], shared: &Shared, receipts: &mut [Receipt]) -> Vec<Taken<'a>> {
    let (mut ids, kept) = (HashSet::new(), shared.retention().results);
    let mut taken = Vec::with_capacity(batches.iter().map(|batch| batch.results.len()).sum());
    for (nth, batch) in batches.iter().enumerate() {
        for (index, result) in batch.results.iter().enumerate() {
            match judge(batch, result.clone(), kept) {
                Ok(judged) if ids.insert(result.id) => {
                    let Batch { from, received_at, .. } = batch;
                    taken.push(Taken { batch: nth, index, from, received_at: *received_at, judged });
                }
                Ok(_) => receipts[nth].duplicates += 1,
                Err(reason) => receipts[nth].rejected.push(Rejected { index, reason }),
            }
        }
    }
    taken
}

/// Refuses results of peers that are not there, or are not the probe's to check.
fn admit<'a>(taken: Vec<Taken<'a>>, known: &Regions, receipts: &mut [Receipt]) -> Vec<Taken<'a>> {
    let refusal = |one: &Taken| match known.get(&one.peer()) {
        None => Some(Rejection::UnknownPeer),
        Some(regions) if regions.is_empty() || regions.contains(&one.from.region_id) => None,
        Some(_) => Some(Rejection::WrongRegion),
    };
    let mut admitted = Vec::with_capacity(taken.len());
    for one in taken {
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

/// Inserts the raw results; those that were stored before are taken out and counted as duplicates. `None` when there
/// are such and none were expected.
async fn insert<'a>(
    tx: &mut Tx,
    mut taken: Vec<Taken<'a>>,
    expected: Expected,
    receipts: &mut [Receipt],
) -> Result<Option<Vec<Taken<'a>>>, StoreError> {
    taken.sort_unstable_by_key(|one| one.judged.result.id);
    let values = values(&taken);
    if expected == Expected::AllNew {
        match NEW_RESULTS.execute(tx, values).await {
            Err(error) if error.is_unique_violation() => return Ok(None),
            stored => stored?,
        };
        taken.iter().for_each(|one| receipts[one.batch].accepted += 1);
        return Ok(Some(taken));
    }
    let new: HashSet<Uuid> = RESULTS.returning::<(Uuid,)>(tx, values).await?.into_iter().map(|(id,)| id).collect();
    let mut stored = Vec::with_capacity(new.len());
    for one in taken {
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

fn values(taken: &[Taken<'_>]) -> Vec<Value> {
    let row = |one: &Taken| {
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
    let mut values = Vec::with_capacity(taken.len() * RESULT_COLUMNS.len());
    taken.iter().for_each(|one| values.extend(row(one)));
    values
}

/// The day that a UUIDv7 was made on; 0 for other ids, which are no contract's.
pub(super) fn day_of(id: Uuid) -> i64 {
    let Some(made) = id.get_timestamp() else { return 0 };
    let (seconds, _) = made.to_unix();
    i64::try_from(seconds / DAY.as_secs()).unwrap_or(0)
}

/// The results of each peer in the order of their times.
fn group<'a, 'b>(taken: &'b [Taken<'a>]) -> BTreeMap<PeerId, Vec<&'b Taken<'a>>> {
    let mut by_peer: BTreeMap<PeerId, Vec<&Taken>> = BTreeMap::new();
    for one in taken {
        by_peer.entry(one.peer()).or_default().push(one);
    }
    for seen in by_peer.values_mut() {
        seen.sort_by_key(|one| one.judged.at);
    }
    by_peer
}

/// Moves one peer's state on.
fn apply(
    state: &mut PeerState,
    seen: &[&Taken],
    probes: &Probes,
    policy: &Policy,
    now: Timestamp,
) -> Option<events::NewEvent> {
    let mut observations = Vec::with_capacity(seen.len());
    for Taken { from, judged, .. } in seen {
        let Some(word) = states::word(judged.result.status) else { continue };
        state.count(judged.at, Count { checks: judged.result.checks, healthy: judged.healthy });
        state.describe(judged.at, judged.result.version.as_deref(), judged.result.network_count);
        let interval = probes.get(&from.probe).map_or(states::USUAL_INTERVAL, |facts| facts.interval);
        observations.push(Observation {
            region: from.region_id,
            probe: from.probe,
            word,
            at: judged.at,
            interval,
            response_us: judged.response_us,
        });
    }
    state.advance(&observations, probes, policy, now)
}

/// Results are a sign of life of their senders.
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
            // It was removed since it showed its token.
            return Err(StoreError::Overtaken);
        }
    }
    Ok(newest.into_keys().collect())
}

/// The newest check of each peer in each region.
fn newest_checks(taken: &[Taken]) -> Vec<Checked> {
    let mut newest: BTreeMap<(RegionId, PeerId), Checked> = BTreeMap::new();
    for one in taken {
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
