//! The consensus of each peer: loading it, updating it, storing it.

use std::time::Duration;

use super::{
    events::NewEvent,
    evidence,
    liveness::Probes,
    outages::{self, Ended},
    rings, rows,
    verdict_times::{self, Span},
};
use crate::{
    consensus::{self, Change, Observation, RegionState, State},
    db::{Bulk, Column, Tx, args, sql},
    domain::{CLOCK_TOLERANCE, Count, EventKind, PeerId, Policy, QUARTER, RegionId, RegionStatus, Timestamp, Verdict},
    error::StoreError,
};

/// The time of the next review of a peer that is scheduled for the very next one.
const REVIEW_SOON: Timestamp = Timestamp(0);

/// The consensus of one peer, and the figures that lists show.
pub(super) struct PeerState {
    pub peer: PeerId,
    verdict: Verdict,
    since: Timestamp,
    last_check_at: Option<Timestamp>,
    response_us: Option<i64>,
    version: Option<String>,
    network_count: Option<i64>,
    held_sessions: i64,
    /// The newest quarter with checks, and its counts so far.
    quarter: i64,
    in_quarter: Count,
    state: State,
    /// Whether the peer is checked as a guest: then each session that a probe holds is a network on the node.
    guest: bool,
    /// Since when the peer is what it is. Earlier checks were of another one.
    target_since: Timestamp,
    /// Whether the peer was scheduled for the next review, which must not be forgotten before it.
    awaits_review: bool,
    /// Counts of completed quarters, which go to the ring.
    for_ring: Vec<(i64, Count)>,
    /// Until when the evidence before the last change was fresh.
    fresh_until: Option<Timestamp>,
    /// The verdict that just ended, and for how long it held.
    ended: Option<Span>,
}

/// What another instance knows about a peer, in terms of this database.
pub(super) struct Known<'a> {
    pub state: State,
    pub verdict: Verdict,
    pub since: Timestamp,
    pub last_check_at: Option<Timestamp>,
    pub version: Option<&'a str>,
    pub network_count: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct StateRow {
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
    review_at: Option<Timestamp>,
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
    target_since: Timestamp,
}

impl StateRow {
    fn into_state(self) -> Result<PeerState, StoreError> {
        Ok(PeerState {
            peer: self.peer_id,
            verdict: rows::verdict(self.verdict)?,
            since: self.since,
            awaits_review: self.review_at == Some(REVIEW_SOON),
            last_check_at: self.last_check_at,
            response_us: self.response_us,
            version: self.version,
            network_count: self.network_count,
            held_sessions: self.held_sessions,
            quarter: self.quarter,
            in_quarter: Count { checks: rows::count(self.quarter_checks), healthy: rows::count(self.quarter_healthy) },
            state: evidence::decode(self.peer_id, &self.evidence)?,
            guest: self.guest,
            target_since: self.target_since,
            for_ring: Vec::new(),
            fresh_until: None,
            ended: None,
        })
    }
}

/// The columns of a [`StateRow`].
macro_rules! state_columns {
    ($engine:ident) => {
        "s.peer_id, s.verdict, s.since, s.review_at, s.last_check_at, s.response_us, s.version, s.network_count, s.held_sessions, \
         s.quarter, s.quarter_checks, s.quarter_healthy, s.evidence, \
         (p.network_secret IS NULL AND NOT p.handshake_only) AS guest, p.target_since"
    };
}

/// The states of the peers that exist, in the order of ids. On PostgreSQL they stay locked until the end of the
/// transaction; they are locked late, so that hubs wait little for each other.
pub(super) async fn load(tx: &mut Tx, peers: Vec<i64>) -> Result<Vec<PeerState>, StoreError> {
    let select = sql!(
        "SELECT ",
        (state_columns),
        " FROM peer_states s JOIN peers p ON p.id = s.peer_id WHERE s.peer_id ",
        (in 1),
        " ORDER BY s.peer_id",
        ["" | " FOR UPDATE OF s"]
    );
    let rows: Vec<StateRow> = tx.all(select, args![peers]).await?;
    rows.into_iter().map(StateRow::into_state).collect()
}

impl PeerState {
    /// Forgets what is known about the peer, because it is another one now.
    pub(super) fn forget(&mut self) {
        self.state = State::default();
        (self.last_check_at, self.response_us, self.version, self.network_count) = (None, None, None, None);
        (self.held_sessions, self.in_quarter) = (0, Count::default());
        self.for_ring.clear();
    }

    /// Drops the evidence of regions that do not check the peer any more; without `regions` all do.
    pub(super) fn keep_regions(&mut self, regions: &[RegionId]) {
        self.state.regions.retain(|region, _| regions.is_empty() || regions.contains(region));
    }

    /// Counts checks at `at`.
    pub(super) fn count(&mut self, at: Timestamp, count: Count) {
        let quarter = at.bucket(QUARTER);
        if quarter > self.quarter {
            let completed = std::mem::take(&mut self.in_quarter);
            if completed.checks > 0 {
                self.for_ring.push((self.quarter, completed));
            }
            self.quarter = quarter;
        }
        if quarter == self.quarter {
            self.in_quarter.add(count);
        } else {
            self.for_ring.push((quarter, count));
        }
    }

    /// Stores the version and the number of networks that the node reported at `at`, unless newer ones are known.
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

    /// Applies observations to the consensus; returns the regions that no longer see the peer online, but offline. The
    /// change is complete after [`settle`].
    pub(super) fn advance(
        &mut self,
        observations: &[Observation],
        probes: &Probes,
        policy: &Policy,
        now: Timestamp,
    ) -> impl Iterator<Item = RegionId> + use<> {
        self.state.set_intervals(|probe| probes.get(&probe).map(|facts| facts.interval));
        self.fresh_until = self.state.fresh_until(policy);
        let is_live = |probe| probes.get(&probe).is_some_and(|facts| facts.live);
        let (state, changes) = consensus::advance(&self.state, observations, is_live, policy, now);
        let holds = |probe| probes.get(&probe).is_some_and(|facts| facts.live && facts.holds_sessions);
        let held =
            state.evidence().filter(|(probe, seen)| seen.status == RegionStatus::Online && holds(*probe)).count();
        self.held_sessions = if self.guest { held as i64 } else { 0 };
        // A check in the future was stored before the clock was set back.
        let known = self.last_check_at.filter(|at| *at <= now + CLOCK_TOLERANCE);
        self.last_check_at = observations.iter().map(|seen| seen.at).chain(known).max();
        // `None` for an unknown or offline peer, whose last latency is outdated.
        self.response_us = state.response_us();
        self.state = state;
        changes.into_iter().filter_map(|change| match change {
            Change::Region { region, was: Some(RegionStatus::Online), became: Some(RegionStatus::Offline) } => {
                Some(region)
            }
            _ => None,
        })
    }

    /// Adopts what another instance knows about the peer, where it is newer. The verdict follows from both; without one here it
    /// began when it began there.
    pub(super) fn adopt(&mut self, mut known: Known<'_>, probes: &Probes, policy: &Policy, now: Timestamp) {
        // The other instance may not know yet that the peer was changed.
        known.state.keep_since(self.target_since);
        self.state.adopt(known.state);
        if known.last_check_at > self.last_check_at {
            self.last_check_at = known.last_check_at;
            self.version = known.version.map(str::to_owned).or(self.version.take());
            self.network_count = known.network_count.or(self.network_count);
        }
        drop(self.advance(&[], probes, policy, now));
        if self.verdict == Verdict::Unknown && self.state.verdict() == known.verdict {
            let span = Span { peer: self.peer, verdict: self.verdict, began_at: self.since, ended_at: known.since };
            self.ended = Some(span);
            (self.verdict, self.since) = (known.verdict, known.since);
        }
    }

    /// Notes that this is the review for which the peer was scheduled.
    pub(super) fn reviewed(&mut self) {
        self.awaits_review = false;
    }

    /// The consensus.
    pub(super) fn consensus(&self) -> &State {
        &self.state
    }

    /// Puts a change to offline in a region in doubt; returns false when there is none, or it is in doubt already.
    pub(super) fn doubt(&mut self, region: RegionId) -> bool {
        self.state.doubt(region)
    }

    /// Sets the verdict that follows from the consensus; returns the event when it changed.
    fn conclude(&mut self, now: Timestamp) -> Option<NewEvent> {
        let (was, became) = (self.verdict, self.state.verdict());
        if was == became {
            return None;
        }
        // Evidence may have become stale while no hub ran to notice it.
        let stale_at = self.fresh_until.filter(|_| became == Verdict::Unknown).map(|at| at + Duration::from_millis(1));
        let (began_at, ended_at) = (self.since, stale_at.map_or(now, |at| at.min(now)));
        self.ended = Some(Span { peer: self.peer, verdict: was, began_at, ended_at });
        (self.verdict, self.since) = (became, now);
        let words = || self.state.regions.values().filter_map(RegionState::word);
        Some(NewEvent {
            at: now,
            kind: EventKind::Peer,
            subject_id: self.peer.0,
            was: was.as_str(),
            became: became.as_str(),
            detail: serde_json::json!({
                "online": words().filter(|word| *word == RegionStatus::Online).count(),
                "regions": words().count(),
            }),
        })
    }
}

const STATE_COLUMNS: &[(&str, Column)] = &[
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
];

static STATES: Bulk = Bulk::new(
    "peer_states",
    STATE_COLUMNS,
    "ON CONFLICT (peer_id) DO UPDATE SET verdict = excluded.verdict, since = excluded.since, \
     review_at = excluded.review_at, last_check_at = excluded.last_check_at, response_us = excluded.response_us, \
     version = excluded.version, network_count = excluded.network_count, held_sessions = excluded.held_sessions, \
     quarter = excluded.quarter, quarter_checks = excluded.quarter_checks, \
     quarter_healthy = excluded.quarter_healthy, evidence = excluded.evidence",
);

/// Sets the verdicts that follow from states that [`load`] returned in the same transaction, and stores the states. Returns the
/// changes, which the caller records.
pub(super) async fn settle(
    tx: &mut Tx,
    mut states: Vec<PeerState>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<NewEvent>, StoreError> {
    let changes = states.iter_mut().filter_map(|state| state.conclude(now)).collect();
    save(tx, states, policy).await?;
    Ok(changes)
}

async fn save(tx: &mut Tx, states: Vec<PeerState>, policy: &Policy) -> Result<(), StoreError> {
    // Most transactions complete no quarter.
    let completed = states.iter().filter(|state| !state.for_ring.is_empty());
    rings::add(tx, completed.map(|state| (state.peer, state.for_ring.as_slice())).collect()).await?;
    let maintained = verdict_times::add(tx, states.iter().filter_map(|state| state.ended)).await?;
    let ended = |state: &PeerState| state.ended.map(|span| Ended { span, became: state.verdict });
    outages::note(tx, states.iter().filter_map(ended), &maintained).await?;
    let mut values = Vec::with_capacity(states.len() * STATE_COLUMNS.len());
    for state in states {
        values.extend(args![
            state.peer,
            state.verdict as i64,
            state.since,
            if state.awaits_review { Some(REVIEW_SOON) } else { state.state.review_at(policy) },
            state.last_check_at,
            state.response_us,
            state.version,
            state.network_count,
            state.held_sessions,
            state.quarter,
            state.in_quarter.checks,
            state.in_quarter.healthy,
            evidence::encode(&state.state)?,
        ]);
    }
    STATES.execute(tx, values).await.map(drop)
}

/// The peers that these probes have checked.
pub(super) async fn checked_by(tx: &mut Tx, probes: Vec<i64>) -> Result<Vec<i64>, StoreError> {
    let select = sql!("SELECT DISTINCT peer_id FROM latest WHERE probe_id ", (in 1));
    Ok(tx.all::<(i64,)>(select, args![probes]).await?.into_iter().map(|(peer,)| peer).collect())
}

/// Schedules peers for the next review.
pub(super) async fn review_soon(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    let update = sql!(
        "UPDATE peer_states SET review_at = 0 WHERE peer_id IN (SELECT peer_id FROM peer_states WHERE peer_id ",
        (in 1),
        " ORDER BY peer_id",
        ["" | " FOR UPDATE"],
        ")"
    );
    tx.execute(update, args![peers]).await.map(drop)
}
