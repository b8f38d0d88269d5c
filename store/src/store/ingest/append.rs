//! Stores a group of batches in one transaction: the results as they are, when the probes were last heard from, which
//! leases end, and what the fold has to apply.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use easytier_probe::Relay;
use uuid::Uuid;

use super::judge::{Judged, judge};
use crate::{
    db::{Bulk, Column, Tx, Value, args, work},
    domain::{
        Batch, ConfigVersion, DAY, PeerId, ProbeId, ProbeIdentity, QUARTER, Receipt, RegionId, RegionRelay, Rejected,
        Rejection, Timestamp, Via,
    },
    error::StoreError,
    store::{
        certificates::{self, SeenCertificate},
        events,
        fold::{PackedResult, pack, sees_online, shard_of},
        known_peers::PeersById,
        leases::{self, Checked},
        relays, row_order, rows, senders,
        shared::Shared,
    },
};

/// A valid result, and the batch that it came in.
struct Accepted<'a> {
    /// The position of the batch in the group.
    batch: usize,
    /// The position of the result in the batch.
    index: usize,
    from: &'a ProbeIdentity,
    received_at: Timestamp,
    /// Whether it is at the instance that results are forwarded to.
    mirrored: bool,
    judged: Judged<'a>,
}

impl Accepted<'_> {
    fn peer(&self) -> PeerId {
        PeerId(self.judged.result.peer_id)
    }

    fn day(&self) -> i64 {
        day_of(self.judged.result.id)
    }

    fn packed(&self) -> PackedResult<'_> {
        let Judged { at, healthy, response_us, min_us, max_us, version, result, .. } = &self.judged;
        PackedResult {
            peer: self.peer(),
            day: self.day(),
            id: result.id,
            checked_at: at.0,
            online: sees_online(result.status),
            checks: result.checks,
            healthy: *healthy,
            response_us: *response_us,
            min_us: *min_us,
            max_us: *max_us,
            version: version.as_deref().map(Cow::Borrowed),
            network_count: result.network_count,
        }
    }

    fn certificate(&self) -> Option<SeenCertificate> {
        let expires_at = self.judged.result.certificate_expires_at?.into();
        Some(SeenCertificate { peer: self.peer(), region: self.from.region_id, expires_at, seen_at: self.judged.at })
    }

    fn relay(&self) -> Option<(PeerId, RegionRelay)> {
        let Judged { at, relay_error, relay_us, result, .. } = &self.judged;
        let reason = relay_error.as_deref().map(str::to_owned);
        Some((self.peer(), RegionRelay::first(self.from.region_id, result.relay?, reason, *relay_us, *at)))
    }

    fn checked(&self) -> Checked {
        Checked { region: self.from.region_id, peer: self.peer(), probe: self.from.probe, at: self.judged.at }
    }
}

/// The day on which a UUIDv7 was made; 0 for an id of another version, which no contract allows.
fn day_of(id: Uuid) -> i64 {
    let Some(made) = id.get_timestamp() else { return 0 };
    let (seconds, _) = made.to_unix();
    i64::try_from(seconds / DAY.as_secs()).unwrap_or(0)
}

/// Whether some results of a group may have been stored before. Nearly always all are new, and looking for duplicates costs
/// a third of storing the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    AllNew,
    Duplicates,
}

/// Stores batches, all or none; returns their receipts in the same order.
pub(super) async fn append(shared: &Shared, batches: &[Batch]) -> Result<Vec<Receipt>, StoreError> {
    match try_to_append(shared, batches, Expected::AllNew).await {
        Err(error) if error.is_unique_violation() => try_to_append(shared, batches, Expected::Duplicates).await,
        stored => stored,
    }
}

async fn try_to_append(shared: &Shared, batches: &[Batch], expected: Expected) -> Result<Vec<Receipt>, StoreError> {
    let (accepted, judged) = &judge_all(batches, shared);
    let mut receipts = shared
        .db
        .transaction(|tx| {
            work(async move {
                let mut receipts = judged.clone();
                // Locks the probes until the end, so that the rows of one probe become visible in the order of their ids
                // even when its results go to several hubs.
                let fetched = senders::touch(tx, batches).await?;
                let (config, known) = shared.known_peers.get(tx).await?;
                let listing = |one: &Accepted| listing(one, batches[one.batch].via, config, &fetched);
                let admitted = admit(accepted, &known, listing, &mut receipts);
                row_order::announce(tx).await?;
                let stored = insert(tx, admitted, expected, &mut receipts).await?;
                certificates::note(tx, stored.iter().filter_map(|one| one.certificate())).await?;
                let now = batches.iter().map(|batch| batch.received_at).max().unwrap_or(Timestamp(0));
                let changes = relays::note(tx, stored.iter().filter_map(|one| one.relay()), now).await?;
                hand_to_fold(tx, &stored).await?;
                leases::note_checked(tx, stored.iter().map(|one| one.checked())).await?;
                events::record_in_order(tx, changes).await?;
                Ok(receipts)
            })
        })
        .await?;
    for receipt in &mut receipts {
        receipt.rejected.sort_by_key(|rejected| rejected.index);
    }
    Ok(receipts)
}

/// Validates results without the database: their times, their values, and ids that the group has twice.
fn judge_all<'a>(batches: &'a [Batch], shared: &Shared) -> (Vec<Accepted<'a>>, Vec<Receipt>) {
    let (mut ids, kept) = (HashSet::new(), shared.retention().results);
    let mut receipts = vec![Receipt::default(); batches.len()];
    let mut accepted = Vec::with_capacity(batches.iter().map(|batch| batch.results.len()).sum());
    for (nth, batch) in batches.iter().enumerate() {
        for (index, result) in batch.results.iter().enumerate() {
            match judge(batch, result, kept) {
                Ok(judged) if ids.insert(result.id) => {
                    let Batch { from, received_at, .. } = batch;
                    let mirrored = batch.via == Via::Instance { mirrored: true };
                    accepted.push(Accepted { batch: nth, index, from, received_at: *received_at, mirrored, judged });
                }
                Ok(_) => receipts[nth].duplicates += 1,
                Err(reason) => receipts[nth].rejected.push(Rejected { index, reason }),
            }
        }
    }
    // Rows in the order of time: the newest row of a peer is its newest result, also when the id of a check that took long was
    // made before that of a check that began later. Ids are about in this order too, so neighbours share pages of the index.
    accepted.sort_unstable_by_key(|one| (one.judged.at, one.judged.result.id));
    (accepted, receipts)
}

/// The version of the list of peers under which a peer was checked, if it is known and a list of this configuration. A probe may
/// have fetched the list again after the check, so what a result says comes first. What an instance sends was judged there.
fn listing(one: &Accepted, via: Via, config: ConfigVersion, fetched: &HashMap<ProbeId, Option<i64>>) -> Option<i64> {
    match (via, one.judged.result.listing) {
        (Via::Instance { .. }, _) => None,
        (Via::Probe, Some(named)) => Some(named.version).filter(|_| named.epoch == config.epoch),
        (Via::Probe, None) => fetched.get(&one.from.probe).copied().flatten(),
    }
}

/// Rejects results of peers that do not exist, that the region of the probe does not check, or that were other ones then.
fn admit<'a, 'b>(
    accepted: &'b [Accepted<'a>],
    known: &PeersById,
    listing: impl Fn(&Accepted) -> Option<i64>,
    receipts: &mut [Receipt],
) -> Vec<&'b Accepted<'a>> {
    let refusal = |one: &Accepted| {
        let Some(peer) = known.get(&one.peer()) else { return Some(Rejection::UnknownPeer) };
        peer.refusal(one.from.region_id, one.judged.at, listing(one))
    };
    let mut admitted = Vec::with_capacity(accepted.len());
    for one in accepted {
        match refusal(one) {
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
    ("relay_us", Column::Int),
    ("certificate_expires_at", Column::Int),
    ("mirrored", Column::Bool),
];

static NEW_RESULTS: Bulk = Bulk::new("results", RESULT_COLUMNS, "");

static RESULTS: Bulk =
    Bulk::new("results", RESULT_COLUMNS, "ON CONFLICT (day, result_id) DO NOTHING RETURNING result_id");

/// Inserts raw results, and returns those that were not stored before; the others are counted as duplicates. Fails with a
/// unique violation when there are duplicates that were not expected.
async fn insert<'a, 'b>(
    tx: &mut Tx,
    admitted: Vec<&'b Accepted<'a>>,
    expected: Expected,
    receipts: &mut [Receipt],
) -> Result<Vec<&'b Accepted<'a>>, StoreError> {
    let values = values(&admitted);
    if expected == Expected::AllNew {
        NEW_RESULTS.execute(tx, values).await?;
        admitted.iter().for_each(|one| receipts[one.batch].accepted += 1);
        return Ok(admitted);
    }
    let new: HashSet<Uuid> = RESULTS.returning::<(Uuid,)>(tx, values).await?.into_iter().map(|(id,)| id).collect();
    let mut stored = Vec::with_capacity(new.len());
    for one in admitted {
        let receipt = &mut receipts[one.batch];
        if new.contains(&one.judged.result.id) {
            receipt.accepted += 1;
            stored.push(one);
        } else {
            receipt.duplicates += 1;
        }
    }
    Ok(stored)
}

fn values(admitted: &[&Accepted<'_>]) -> Vec<Value> {
    let mut values = Vec::with_capacity(admitted.len() * RESULT_COLUMNS.len());
    for one in admitted {
        let Judged {
            at,
            healthy,
            response_us,
            min_us,
            max_us,
            message,
            version,
            hostname,
            relay_error,
            relay_us,
            result,
        } = &one.judged;
        values.extend([
            Value::from(one.day()),
            result.id.into(),
            at.bucket(QUARTER).into(),
            one.peer().into(),
            one.from.region_id.into(),
            one.from.probe.into(),
            (*at).into(),
            one.received_at.into(),
            rows::status_code(result.status).into(),
            result.checks.into(),
            (*healthy).into(),
            (*response_us).into(),
            (*min_us).into(),
            (*max_us).into(),
            result.stage.as_str().into(),
            result.error.map(|code| code.as_str()).into(),
            message.as_deref().into(),
            version.as_deref().into(),
            hostname.as_deref().into(),
            result.network_count.into(),
            result.relay.map(Relay::name).into(),
            relay_error.as_deref().into(),
            (*relay_us).into(),
            result.certificate_expires_at.map(Timestamp::from).into(),
            one.mirrored.into(),
        ]);
    }
    values
}

static APPENDS: Bulk = Bulk::new(
    "appends",
    &[
        ("shard", Column::Int),
        ("probe_id", Column::Int),
        ("region_id", Column::Int),
        ("received_at", Column::Int),
        ("results", Column::Int),
        ("packed", Column::Bytes),
    ],
    "",
);

/// The results of one probe for the peers of one shard.
struct OfShard<'a> {
    received_at: Timestamp,
    results: Vec<PackedResult<'a>>,
}

/// Stores what the fold needs of results.
async fn hand_to_fold(tx: &mut Tx, stored: &[&Accepted<'_>]) -> Result<(), StoreError> {
    let mut shards: BTreeMap<(usize, ProbeId, RegionId), OfShard> = BTreeMap::new();
    for one in stored {
        let key = (shard_of(one.peer()), one.from.probe, one.from.region_id);
        let empty = || OfShard { received_at: one.received_at, results: Vec::new() };
        let shard = shards.entry(key).or_insert_with(empty);
        shard.received_at = shard.received_at.max(one.received_at);
        shard.results.push(one.packed());
    }
    let mut values = Vec::with_capacity(shards.len() * 6);
    for ((shard, probe, region), OfShard { received_at, results }) in shards {
        let (count, packed) = (results.len() as i64, pack(&results)?);
        values.extend(args![shard as i64, probe, region, received_at, count, packed]);
    }
    APPENDS.execute(tx, values).await.map(drop)
}
