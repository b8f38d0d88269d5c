//! Whether nodes relay data between their guests, as each region found it last, and what the regions say together.

use std::collections::{BTreeMap, BTreeSet};

use easytier_probe::Relay;

use super::{Store, events::NewEvent, rows, watched::is_watched};
use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{EventKind, MeasuredRelay, PeerId, RegionId, RegionRelay, Timestamp},
    error::StoreError,
};

static OF_REGIONS: Bulk = Bulk::new(
    "relays",
    &[
        ("peer_id", Column::Int),
        ("region_id", Column::Int),
        ("verdict", Column::Text),
        ("reason", Column::Text),
        ("round_trip_us", Column::Int),
        ("measured_at", Column::Int),
        ("tested_at", Column::Int),
        ("not_ok", Column::Int),
    ],
    "ON CONFLICT (peer_id, region_id) DO UPDATE SET verdict = excluded.verdict, reason = excluded.reason, \
     round_trip_us = excluded.round_trip_us, measured_at = excluded.measured_at, tested_at = excluded.tested_at, \
     not_ok = excluded.not_ok",
);

/// Locks the rows of peers until the end of the transaction, and returns what they said: two regions may answer at the same time, and
/// the second has to see what the first said.
static LOCK: Bulk = Bulk::new(
    "relay_verdicts",
    &[("peer_id", Column::Int), ("not_ok", Column::Int)],
    "ON CONFLICT (peer_id) DO UPDATE SET not_ok = relay_verdicts.not_ok RETURNING peer_id, verdict",
);

static TOGETHER: Bulk = Bulk::new(
    "relay_verdicts",
    &[
        ("peer_id", Column::Int),
        ("verdict", Column::Text),
        ("reason", Column::Text),
        ("round_trip_us", Column::Int),
        ("checked_at", Column::Int),
        ("not_ok", Column::Int),
        ("tested_at", Column::Int),
    ],
    "ON CONFLICT (peer_id) DO UPDATE SET verdict = excluded.verdict, reason = excluded.reason, \
     round_trip_us = excluded.round_trip_us, checked_at = excluded.checked_at, not_ok = excluded.not_ok, \
     tested_at = excluded.tested_at",
);

#[derive(sqlx::FromRow)]
struct RegionRow {
    peer_id: PeerId,
    region_id: RegionId,
    verdict: String,
    reason: Option<String>,
    round_trip_us: Option<i64>,
    measured_at: Timestamp,
    tested_at: Timestamp,
    not_ok: i64,
}

impl RegionRow {
    /// `None` for a verdict that only a newer hub knows.
    fn read(self) -> Option<(PeerId, RegionRelay)> {
        let found = RegionRelay {
            region: self.region_id,
            verdict: rows::relay(Some(self.verdict))?,
            reason: self.reason,
            round_trip_us: self.round_trip_us,
            measured_at: self.measured_at,
            tested_at: self.tested_at,
            not_ok: rows::count(self.not_ok),
        };
        Some((self.peer_id, found))
    }
}

/// What the regions hold of each peer.
type Held = BTreeMap<PeerId, BTreeMap<RegionId, RegionRelay>>;

macro_rules! of_regions {
    ($engine:ident) => {
        "SELECT peer_id, region_id, verdict, reason, round_trip_us, measured_at, tested_at, not_ok FROM relays WHERE peer_id "
    };
}

/// Stores what regions answered. Few results have such an answer. Returns the changes of what regions say together, which the caller
/// records; what is found of a peer first is no change.
pub(super) async fn note(
    tx: &mut Tx,
    answers: impl Iterator<Item = (PeerId, RegionRelay)>,
    now: Timestamp,
) -> Result<Vec<NewEvent>, StoreError> {
    let mut answers: Vec<(PeerId, RegionRelay)> = answers.collect();
    if answers.is_empty() {
        return Ok(Vec::new());
    }
    let known = held(tx, answers.iter().map(|(peer, _)| *peer).collect()).await?;
    answers.retain(|(peer, answer)| {
        let of_region = known.get(peer).and_then(|regions| regions.get(&answer.region));
        !of_region.is_some_and(|known| known.is_repeated_by(answer))
    });
    let peers: BTreeSet<PeerId> = answers.iter().map(|(peer, _)| *peer).collect();
    let locked = LOCK.returning(tx, peers.iter().flat_map(|peer| args![*peer, 0i64]).collect()).await?;
    let before: BTreeMap<PeerId, Option<String>> = locked.into_iter().collect();

    let mut held = held(tx, peers).await?;
    let mut changed: BTreeSet<(PeerId, RegionId)> = BTreeSet::new();
    for (peer, answer) in answers {
        changed.insert((peer, answer.region));
        let regions = held.entry(peer).or_default();
        let after = match regions.remove(&answer.region) {
            Some(known) => known.with(answer),
            None => answer,
        };
        regions.insert(after.region, after);
    }
    let (mut of_regions, mut together, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for (peer, regions) in held {
        for one in regions.values().filter(|one| changed.contains(&(peer, one.region))) {
            of_regions.extend(args![
                peer,
                one.region,
                one.verdict.name(),
                one.reason.as_deref(),
                one.round_trip_us,
                one.measured_at,
                one.tested_at,
                i64::from(one.not_ok),
            ]);
        }
        let tested_at = regions.values().map(|one| one.tested_at).max();
        let regions: Vec<RegionRelay> = regions.into_values().collect();
        let Some(found) = MeasuredRelay::of(&regions) else { continue };
        let was = before.get(&peer).cloned().and_then(rows::relay);
        changes.extend(was.and_then(|was| change(peer, was, &found, now)));
        together.extend(args![
            peer,
            found.verdict.name(),
            found.reason.as_deref(),
            found.round_trip_us,
            found.checked_at,
            i64::from(found.not_ok),
            tested_at,
        ]);
    }
    OF_REGIONS.execute(tx, of_regions).await?;
    TOGETHER.execute(tx, together).await?;
    Ok(changes)
}

fn change(peer: PeerId, was: Relay, found: &MeasuredRelay, now: Timestamp) -> Option<NewEvent> {
    (was != found.verdict).then(|| NewEvent {
        at: now,
        kind: EventKind::Relay,
        subject_id: peer.0,
        was: was.name(),
        became: found.verdict.name(),
        detail: serde_json::json!({ "reason": found.reason }),
    })
}

async fn held(tx: &mut Tx, peers: BTreeSet<PeerId>) -> Result<Held, StoreError> {
    let ids: Vec<i64> = peers.into_iter().map(|peer| peer.0).collect();
    let rows: Vec<RegionRow> = tx.all(sql!((of_regions), (in 1)), args![ids]).await?;
    let mut held = Held::new();
    for (peer, one) in rows.into_iter().filter_map(RegionRow::read) {
        held.entry(peer).or_default().insert(one.region, one);
    }
    Ok(held)
}

/// Forgets what was found of peers, which have other addresses now.
pub(super) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM relays WHERE peer_id ", (in 1)), args![peers.clone()]).await?;
    tx.execute(sql!("DELETE FROM relay_verdicts WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}

impl Store {
    /// What each region found of a peer.
    pub(super) async fn relays_of(&self, peer: PeerId) -> Result<BTreeMap<RegionId, RegionRelay>, StoreError> {
        let rows: Vec<RegionRow> = self.db().all(sql!((of_regions), "= $1"), args![peer]).await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.region_id, row.read()?.1))).collect())
    }

    /// The listed nodes whose owners declare that they relay, and of which the last two tests said otherwise: what.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn relays_that_do_not(&self) -> Result<Vec<(PeerId, Relay)>, StoreError> {
        let select = sql!(
            "SELECT p.id, r.verdict FROM relay_verdicts r JOIN peers p ON p.id = r.peer_id \
             WHERE p.allow_relay AND r.not_ok >= 2 AND r.verdict <> 'ok' AND ",
            (is_watched),
            " ORDER BY p.id"
        );
        let rows: Vec<(PeerId, String)> = self.db().all(select, vec![]).await?;
        Ok(rows.into_iter().filter_map(|(id, verdict)| Some((id, rows::relay(Some(verdict))?))).collect())
    }
}
