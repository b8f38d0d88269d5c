//! The consensus of each peer, as it is kept: read, moved on, written back.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use easytier_probe::Status;

use super::{
    Store, StoreError,
    bulk::{Bulk, Column},
    engine::{Tx, args, sql},
    events::{self, NewEvent},
    rows,
};
use crate::{
    consensus::{self, Change, Observation, Policy, State, Verdict, Word},
    model::{EventKind, PeerId, Presence, ProbeId},
    ring::{Count, Ring},
    time::{CLOCK_TOLERANCE, QUARTER, Timestamp},
};

/// The check interval of a probe that has not told its own.
pub(super) const USUAL_INTERVAL: Duration = Duration::from_secs(60);

/// Peers reviewed in one transaction: results wait no longer than these take.
const REVIEW_BATCH: i64 = 500;

/// What the consensus needs to know of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeFacts {
    pub live: bool,
    pub holds_sessions: bool,
    pub interval: Duration,
}

pub(super) type Probes = HashMap<ProbeId, ProbeFacts>;

#[derive(sqlx::FromRow)]
struct ProbeRow {
    id: ProbeId,
    last_seen_at: Option<Timestamp>,
    sends_heartbeats: bool,
    check_interval_ms: Option<i64>,
    unregistered_at: Option<i64>,
    holds_sessions: bool,
}

/// All probes, as they are at `now`.
pub(super) async fn probes(tx: &mut Tx, now: Timestamp) -> Result<Probes, StoreError> {
    let select = "SELECT id, last_seen_at, sends_heartbeats, check_interval_ms, unregistered_at, holds_sessions \
                  FROM probes WHERE last_seen_at IS NOT NULL";
    let rows: Vec<ProbeRow> = tx.all(select, vec![]).await?;
    let facts = |row: ProbeRow| {
        let interval = rows::duration(row.check_interval_ms);
        let unregistered = row.unregistered_at.is_some();
        let presence = Presence::of(row.last_seen_at, row.sends_heartbeats, interval, unregistered, now);
        let live = presence != Presence::Offline;
        let interval = interval.unwrap_or(USUAL_INTERVAL);
        (row.id, ProbeFacts { live, holds_sessions: row.holds_sessions, interval })
    };
    Ok(rows.into_iter().map(facts).collect())
}

/// The consensus of one peer, and the few figures that lists show.
pub(super) struct PeerState {
    pub peer: PeerId,
    verdict: Verdict,
    since: Timestamp,
    last_check_at: Option<Timestamp>,
    response_us: Option<i64>,
    version: Option<String>,
    network_count: Option<i64>,
    held_sessions: i64,
    quarter: i64,
    in_quarter: Count,
    state: State,
    /// Checked as a guest, so that a probe's held session is one network on the node.
    guest: bool,
    /// Counts of quarters that are over, for the ring.
    for_ring: Vec<(i64, Count)>,
}

#[derive(sqlx::FromRow)]
struct StateRow {
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
    last_check_at: Option<Timestamp>,
    response_us: Option<i64>,
    version: Option<String>,
    network_count: Option<i64>,
    held_sessions: i64,
    quarter: i64,
    quarter_checks: i64,
    quarter_healthy: i64,
    evidence: String,
    guest: bool,
}

impl StateRow {
    fn into_state(self) -> Result<PeerState, StoreError> {
        Ok(PeerState {
            peer: self.peer_id,
            verdict: rows::verdict(self.verdict)?,
            since: self.since,
            last_check_at: self.last_check_at,
            response_us: self.response_us,
            version: self.version,
            network_count: self.network_count,
            held_sessions: self.held_sessions,
            quarter: self.quarter,
            in_quarter: Count { checks: rows::count(self.quarter_checks), healthy: rows::count(self.quarter_healthy) },
            state: rows::evidence(self.peer_id, &self.evidence)?,
            guest: self.guest,
            for_ring: Vec::new(),
        })
    }
}

macro_rules! state_columns {
    ($engine:ident) => {
        "s.peer_id, s.verdict, s.since, s.last_check_at, s.response_us, s.version, s.network_count, s.held_sessions, \
         s.quarter, s.quarter_checks, s.quarter_healthy, s.evidence, \
         (p.network_secret IS NULL AND NOT p.handshake_only) AS guest"
    };
}

/// The states of those of the peers that exist. On PostgreSQL they are the transaction's own until it ends; everybody
/// locks them in the order of ids, and late, so that hubs wait little for each other.
pub(super) async fn load(tx: &mut Tx, peers: Vec<i64>) -> Result<Vec<PeerState>, StoreError> {
    let select = sql!(
        "SELECT ",
        (state_columns),
        " FROM peer_states s JOIN peers p ON p.id = s.peer_id WHERE s.peer_id ",
        ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
        " ORDER BY s.peer_id",
        ["" | " FOR UPDATE OF s"]
    );
    let rows: Vec<StateRow> = tx.all(select, args![peers]).await?;
    rows.into_iter().map(StateRow::into_state).collect()
}

impl PeerState {
    /// Counts checks at `at` for the ring.
    pub(super) fn count(&mut self, at: Timestamp, count: Count) {
        let quarter = at.bucket(QUARTER);
        if quarter > self.quarter {
            let over = std::mem::take(&mut self.in_quarter);
            if over.checks > 0 {
                self.for_ring.push((self.quarter, over));
            }
            self.quarter = quarter;
        }
        if quarter == self.quarter {
            self.in_quarter.add(count);
        } else {
            self.for_ring.push((quarter, count));
        }
    }

    /// Takes over what the node said about itself, unless something newer is known.
    pub(super) fn describe(&mut self, at: Timestamp, version: Option<&str>, network_count: Option<u32>) {
        if self.last_check_at.is_some_and(|known| known > at) {
            return;
        }
        if let Some(version) = version {
            self.version = Some(version.to_owned());
        }
        if let Some(count) = network_count {
            self.network_count = Some(i64::from(count));
        }
    }

    /// The next consensus; gives the event when the verdict changed.
    pub(super) fn advance(
        &mut self,
        observations: &[Observation],
        probes: &Probes,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<NewEvent> {
        let live = |probe| probes.get(&probe).is_some_and(|facts| facts.live);
        let (state, changes) = consensus::advance(&self.state, observations, live, policy, now);
        let holds = |probe| probes.get(&probe).is_some_and(|facts| facts.live && facts.holds_sessions);
        let held = state.evidence().filter(|(probe, seen)| seen.word == Word::Online && holds(*probe)).count();
        self.held_sessions = if self.guest { held as i64 } else { 0 };
        // A check of a time that has not come was done before the clock was set back.
        let known = self.last_check_at.filter(|at| *at <= now + CLOCK_TOLERANCE);
        self.last_check_at = observations.iter().map(|seen| seen.at).chain(known).max();
        // An unknown or offline peer keeps no latency: the last one would say nothing about now.
        self.response_us = state.response_us();
        self.state = state;
        let Some(Change::Verdict { was, became }) = changes.first().cloned() else { return None };
        (self.verdict, self.since) = (became, now);
        let words = || self.state.regions.values().filter_map(|region| region.word);
        Some(NewEvent {
            at: now,
            kind: EventKind::Peer,
            subject_id: self.peer.0,
            was: was.as_str(),
            became: became.as_str(),
            detail: serde_json::json!({
                "online": words().filter(|word| *word == Word::Online).count(),
                "regions": words().count(),
            }),
        })
    }
}

/// An observation from a result; `None` for one that is no evidence.
pub(super) fn word(status: Status) -> Option<Word> {
    match status {
        Status::Online => Some(Word::Online),
        Status::Offline => Some(Word::Offline),
        Status::Unknown => None,
    }
}

static STATES: Bulk = Bulk::new(
    "peer_states",
    &[
        ("peer_id", Column::Int),
        ("verdict", Column::Int),
        ("since", Column::Int),
        ("review_at", Column::Int),
        ("last_check_at", Column::Int),
        ("response_us", Column::Int),
        ("version", Column::Text),
        ("network_count", Column::Int),
        ("held_sessions", Column::Int),
        ("quarter", Column::Int),
        ("quarter_checks", Column::Int),
        ("quarter_healthy", Column::Int),
        ("evidence", Column::Text),
    ],
    "ON CONFLICT (peer_id) DO UPDATE SET verdict = excluded.verdict, since = excluded.since, \
     review_at = excluded.review_at, last_check_at = excluded.last_check_at, response_us = excluded.response_us, \
     version = excluded.version, network_count = excluded.network_count, held_sessions = excluded.held_sessions, \
     quarter = excluded.quarter, quarter_checks = excluded.quarter_checks, \
     quarter_healthy = excluded.quarter_healthy, evidence = excluded.evidence",
);

static RINGS: Bulk = Bulk::new(
    "rings",
    &[("peer_id", Column::Int), ("newest", Column::Int), ("counts", Column::Bytes)],
    "ON CONFLICT (peer_id) DO UPDATE SET newest = excluded.newest, counts = excluded.counts",
);

/// Writes states back that [`load`] gave in this transaction.
pub(super) async fn save(tx: &mut Tx, states: Vec<PeerState>, policy: &Policy) -> Result<(), StoreError> {
    save_rings(tx, &states).await?;
    let values = states
        .into_iter()
        .flat_map(|state| {
            args![
                state.peer,
                state.verdict as i64,
                state.since,
                state.state.review_at(policy),
                state.last_check_at,
                state.response_us,
                state.version,
                state.network_count,
                state.held_sessions,
                state.quarter,
                state.in_quarter.checks,
                state.in_quarter.healthy,
                serde_json::to_string(&state.state).expect("a state is plain JSON"),
            ]
        })
        .collect();
    STATES.execute(tx, values).await.map(drop)
}

#[derive(sqlx::FromRow)]
struct RingRow {
    peer_id: PeerId,
    newest: i64,
    counts: Vec<u8>,
}

/// Adds the counts of quarters that are over; most results bring none.
async fn save_rings(tx: &mut Tx, states: &[PeerState]) -> Result<(), StoreError> {
    let changed: BTreeMap<PeerId, &[(i64, Count)]> =
        states.iter().filter(|state| !state.for_ring.is_empty()).map(|state| (state.peer, &*state.for_ring)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let select = sql!(
        "SELECT peer_id, newest, counts FROM rings WHERE peer_id ",
        ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"]
    );
    let ids: Vec<i64> = changed.keys().map(|id| id.0).collect();
    let mut known: HashMap<PeerId, Ring> = HashMap::new();
    for row in tx.all::<RingRow>(select, args![ids]).await? {
        known.insert(row.peer_id, ring(row.peer_id, row.newest, &row.counts)?);
    }
    let values = changed
        .into_iter()
        .flat_map(|(peer, counts)| {
            let newest = counts.iter().map(|(quarter, _)| *quarter).max().expect("changed rings have counts");
            let mut ring = known.remove(&peer).unwrap_or_else(|| Ring::new(newest));
            for (quarter, count) in counts {
                ring.add(*quarter, *count);
            }
            args![peer, ring.newest(), ring.to_bytes()]
        })
        .collect();
    RINGS.execute(tx, values).await.map(drop)
}

pub(super) fn ring(peer: PeerId, newest: i64, counts: &[u8]) -> Result<Ring, StoreError> {
    Ring::from_bytes(newest, counts).ok_or_else(|| StoreError::Corrupt(format!("rings.counts of {peer}")))
}

/// The key of PostgreSQL's advisory lock under which one hub alone reviews.
const REVIEW_LOCK: i64 = 0x6574_7570_0001;

impl Store {
    /// Moves on what changes without results: evidence that went stale, probes that came or went. To be called every
    /// few seconds; where several hubs share a database one does it and the others find nothing to do. Says how many
    /// peers it looked at.
    pub async fn review(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.note_probes(now).await?;
        let mut reviewed = 0;
        loop {
            let batch = self.review_some(now).await?;
            reviewed += batch;
            if (batch as i64) < REVIEW_BATCH {
                return Ok(reviewed);
            }
        }
    }

    /// Finds the probes that came or went since the last review, and puts what they said up for review.
    async fn note_probes(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        if !try_lock(&mut tx, REVIEW_LOCK).await? {
            return Ok(());
        }
        let known: Vec<(ProbeId, bool, String, String)> = tx
            .all(
                "SELECT b.id, b.live, b.server_id, r.name FROM probes b JOIN regions r ON r.id = b.region_id \
                 WHERE b.last_seen_at IS NOT NULL ORDER BY b.id",
                vec![],
            )
            .await?;
        let facts = probes(&mut tx, now).await?;
        let changed: Vec<(ProbeId, bool, NewEvent)> = known
            .into_iter()
            .filter_map(|(probe, was_live, server_id, region)| {
                let live = facts.get(&probe)?.live;
                let name = |live| if live { Presence::Online.as_str() } else { Presence::Offline.as_str() };
                let event = NewEvent {
                    at: now,
                    kind: EventKind::Probe,
                    subject_id: probe.0,
                    was: name(was_live),
                    became: name(live),
                    detail: serde_json::json!({ "server_id": server_id, "region": region }),
                };
                (live != was_live).then_some((probe, live, event))
            })
            .collect();
        // Probes before states, and states in the order of ids, as everywhere.
        let mut ids = Vec::new();
        let mut noted = Vec::new();
        for (probe, live, event) in changed {
            tx.execute("UPDATE probes SET live = $2 WHERE id = $1", args![probe, live]).await?;
            ids.push(probe.0);
            noted.push(event);
        }
        let review = sql!(
            "UPDATE peer_states SET review_at = 0 WHERE peer_id IN (SELECT s.peer_id FROM peer_states s \
             WHERE EXISTS (SELECT 1 FROM latest l WHERE l.peer_id = s.peer_id AND l.probe_id ",
            ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
            ") ORDER BY s.peer_id",
            ["" | " FOR UPDATE OF s"],
            ")"
        );
        if !ids.is_empty() {
            tx.execute(review, args![ids]).await?;
        }
        events::record(&mut tx, noted).await?;
        tx.commit().await
    }

    async fn review_some(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.db().begin().await?;
        if !try_lock(&mut tx, REVIEW_LOCK).await? {
            return Ok(0);
        }
        let due: Vec<(i64,)> = tx
            .all(
                "SELECT peer_id FROM peer_states WHERE review_at <= $1 ORDER BY review_at LIMIT $2",
                args![now, REVIEW_BATCH],
            )
            .await?;
        let mut states = load(&mut tx, due.into_iter().map(|(id,)| id).collect()).await?;
        let probes = probes(&mut tx, now).await?;
        let policy = &self.shared.policy();
        let changes = states.iter_mut().filter_map(|state| state.advance(&[], &probes, policy, now)).collect();
        let reviewed = states.len();
        save(&mut tx, states, policy).await?;
        events::record(&mut tx, changes).await?;
        tx.commit().await?;
        Ok(reviewed)
    }
}

/// Has the next review look at peers again.
pub(super) async fn review_soon(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    let update = sql!(
        "UPDATE peer_states SET review_at = 0 WHERE peer_id IN (SELECT peer_id FROM peer_states WHERE peer_id ",
        ["IN (SELECT value FROM json_each($1))" | "= ANY($1)"],
        " ORDER BY peer_id",
        ["" | " FOR UPDATE"],
        ")"
    );
    tx.execute(update, args![peers]).await.map(drop)
}

/// Whether this transaction alone now holds a lock that ends with it; on SQLite every writing transaction is alone.
pub(super) async fn try_lock(tx: &mut Tx, key: i64) -> Result<bool, StoreError> {
    let lock = sql!("SELECT ", ["$1 = $1" | "pg_try_advisory_xact_lock($1)"]);
    tx.one::<(bool,)>(lock, args![key]).await.map(|(held,)| held)
}
