//! What an instance knows beyond the raw results, for those that mirror it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    consensus::{Evidence, RegionState, State},
    db::{Tx, args, work},
    domain::{
        CLOCK_TOLERANCE, PROBE_EXPIRES_AFTER, PeerId, PeerVerdict, ProbeEvidence, ProbeId, ProbeSigns, Region,
        RegionId, RegionWord, Timestamp, Verdicts, millis,
    },
    error::{Conflict, StoreError},
    store::{
        Store, events, evidence, liveness, probes, regions, rows,
        shared::Shared,
        states::{self, Known},
    },
};

/// How many peers adopt in one transaction; results wait as long as that takes.
const ADOPT_BATCH: usize = 500;

#[derive(sqlx::FromRow)]
struct VerdictRow {
    uid: String,
    peer_id: PeerId,
    verdict: i64,
    since: Timestamp,
    last_check_at: Option<Timestamp>,
    version: Option<String>,
    network_count: Option<i64>,
    evidence: String,
}

#[derive(sqlx::FromRow)]
struct SignsRow {
    id: ProbeId,
    server_id: String,
    region: String,
    last_seen_at: Timestamp,
    last_heartbeat_at: Option<Timestamp>,
    unregistered_at: Option<Timestamp>,
    check_interval_ms: Option<i64>,
    holds_sessions: bool,
    degraded: bool,
}

impl Store {
    /// What this instance knows about the shared peers and their probes. It belongs to the results up to the row that
    /// [`Store::results_after`] returned before the call, or to earlier ones that are not applied yet.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn verdicts(&self, now: Timestamp) -> Result<Verdicts, StoreError> {
        let regions: Vec<(RegionId, String)> = self.db().all("SELECT id, name FROM regions", vec![]).await?;
        let regions: HashMap<RegionId, Region> =
            regions.into_iter().filter_map(|(id, name)| Some((id, name.parse().ok()?))).collect();
        let select = "SELECT b.id, b.server_id, r.name AS region, b.last_seen_at, b.last_heartbeat_at, b.unregistered_at, \
                      b.check_interval_ms, b.holds_sessions, b.degraded FROM probes b JOIN regions r ON r.id = b.region_id \
                      WHERE b.last_seen_at >= $1 ORDER BY b.server_id";
        let probes: Vec<SignsRow> = self.db().all(select, args![now - PROBE_EXPIRES_AFTER]).await?;
        let names: HashMap<ProbeId, &str> = probes.iter().map(|row| (row.id, row.server_id.as_str())).collect();
        let select = "SELECT o.uid, s.peer_id, s.verdict, s.since, s.last_check_at, s.version, s.network_count, s.evidence \
                      FROM synced_objects o JOIN peer_states s ON CAST(s.peer_id AS TEXT) = o.local_key \
                      WHERE o.kind = 'peer' ORDER BY o.uid";
        let rows: Vec<VerdictRow> = self.db().all(select, vec![]).await?;
        let peers = rows.into_iter().map(|row| row.into_verdict(&regions, &names)).collect::<Result<_, _>>()?;
        let signs = probes.iter().filter_map(SignsRow::signs).collect();
        Ok(Verdicts { peers, probes: signs })
    }

    /// Adopts what another instance knows, where it is newer than what is known here. Its clock is `ahead_ms` milliseconds
    /// ahead of this hub's, or behind when negative. A peer without a verdict here gets the other's, and when it began, without
    /// an event. For some minutes from now on, silence of probes makes nothing `unknown`: they may report elsewhere. Returns how many
    /// of the peers exist here.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn adopt_verdicts(&self, verdicts: &Verdicts, ahead_ms: i64, now: Timestamp) -> Result<u64, StoreError> {
        let tolerable = Duration::from_millis(ahead_ms.unsigned_abs()) <= CLOCK_TOLERANCE;
        let clock = Clock { ahead_ms: if tolerable { 0 } else { ahead_ms } };
        let names = &self.db().transaction(|tx| work(adopt_signs(tx, verdicts, clock, now))).await?;
        let mirrored = "UPDATE instance SET mirrored_at = $1";
        self.db().execute(mirrored, args![now]).await?;
        let mut adopted = 0;
        for peers in verdicts.peers.chunks(ADOPT_BATCH) {
            let ids = &self.peers_by_uid(peers.iter().map(|peer| peer.uid.clone()).collect()).await?;
            adopted += ids.len() as u64;
            self.db().transaction(|tx| work(adopt(tx, &self.shared, peers, ids, names, clock, now))).await?;
        }
        Ok(adopted)
    }
}

impl VerdictRow {
    fn into_verdict(
        self,
        regions: &HashMap<RegionId, Region>,
        probes: &HashMap<ProbeId, &str>,
    ) -> Result<PeerVerdict, StoreError> {
        let state = evidence::decode(self.peer_id, &self.evidence)?;
        let word = |(id, state): (&RegionId, &RegionState)| {
            let evidence = state.probes.iter().filter_map(|(id, seen)| {
                let Evidence { status, at, interval, response_us } = *seen;
                let server_id = (*probes.get(id)?).to_owned();
                Some(ProbeEvidence { server_id, status, at, interval_ms: millis(interval), response_us })
            });
            let RegionState { status, contradictions, turned_at, doubted, .. } = *state;
            let region = regions.get(id)?.clone();
            Some(RegionWord { region, status, contradictions, turned_at, doubted, evidence: evidence.collect() })
        };
        Ok(PeerVerdict {
            regions: state.regions.iter().filter_map(word).collect(),
            uid: self.uid,
            verdict: rows::verdict(self.verdict)?,
            since: self.since,
            last_check_at: self.last_check_at,
            version: self.version,
            network_count: self.network_count,
        })
    }
}

impl SignsRow {
    fn signs(&self) -> Option<ProbeSigns> {
        Some(ProbeSigns {
            server_id: self.server_id.clone(),
            region: self.region.parse().ok()?,
            last_seen_at: self.last_seen_at,
            last_heartbeat_at: self.last_heartbeat_at,
            unregistered_at: self.unregistered_at,
            check_interval_ms: self.check_interval_ms,
            holds_sessions: self.holds_sessions,
            degraded: self.degraded,
        })
    }
}

/// The clock of the other instance.
#[derive(Clone, Copy)]
struct Clock {
    ahead_ms: i64,
}

impl Clock {
    /// A time of that clock by the clock of this hub.
    fn here(self, at: Timestamp) -> Timestamp {
        Timestamp(at.0.saturating_sub(self.ahead_ms))
    }
}

/// The rows of the regions and probes that verdicts name.
struct Names {
    regions: BTreeMap<Region, RegionId>,
    probes: HashMap<String, ProbeId>,
}

/// Notes when the probes were heard from, and adds those that are not known yet.
async fn adopt_signs(tx: &mut Tx, verdicts: &Verdicts, clock: Clock, now: Timestamp) -> Result<Names, StoreError> {
    let words = verdicts.peers.iter().flat_map(|peer| &peer.regions).map(|word| &word.region);
    let named: BTreeSet<&Region> = words.chain(verdicts.probes.iter().map(|probe| &probe.region)).collect();
    let mut names = Names { regions: BTreeMap::new(), probes: HashMap::new() };
    for region in named {
        names.regions.insert(region.clone(), regions::ensure(tx, region).await?);
    }
    let update = "UPDATE probes SET last_seen_at = $2, last_heartbeat_at = $3, unregistered_at = $4, \
                  check_interval_ms = coalesce($5, check_interval_ms), holds_sessions = $6, degraded = $7 \
                  WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at < $2)";
    for signs in &verdicts.probes {
        let Some(region) = names.regions.get(&signs.region) else { continue };
        let probe = match probes::find(tx, &signs.server_id).await? {
            Some((probe, _)) => probe,
            None => match probes::insert(tx, &signs.server_id, true, *region, now).await {
                Err(StoreError::Conflict(Conflict::ServerIdTaken)) => return Err(StoreError::Overtaken),
                added => added?,
            },
        };
        let here = |at: Option<Timestamp>| at.map(|at| clock.here(at).min(now));
        let parameters = args![
            probe,
            here(Some(signs.last_seen_at)),
            here(signs.last_heartbeat_at),
            here(signs.unregistered_at),
            signs.check_interval_ms,
            signs.holds_sessions,
            signs.degraded,
        ];
        tx.execute(update, parameters).await?;
        names.probes.insert(signs.server_id.clone(), probe);
    }
    Ok(names)
}

/// Adopts what is known about some peers.
async fn adopt(
    tx: &mut Tx,
    shared: &Shared,
    peers: &[PeerVerdict],
    ids: &HashMap<String, PeerId>,
    names: &Names,
    clock: Clock,
    now: Timestamp,
) -> Result<(), StoreError> {
    let by_id: BTreeMap<PeerId, &PeerVerdict> =
        peers.iter().filter_map(|peer| Some((*ids.get(&peer.uid)?, peer))).collect();
    let mut states = states::load(tx, by_id.keys().map(|peer| peer.0).collect()).await?;
    let (probes, policy) = &liveness::judgement(tx, shared.policy(), now).await?;
    for state in &mut states {
        if let Some(peer) = by_id.get(&state.peer) {
            let known = Known {
                state: names.state(peer, clock),
                verdict: peer.verdict,
                since: clock.here(peer.since).min(now),
                last_check_at: peer.last_check_at.map(|at| clock.here(at).min(now)),
                version: peer.version.as_deref(),
                network_count: peer.network_count,
            };
            state.adopt(known, probes, policy, now);
        }
    }
    let changes = states::settle(tx, states, policy, now).await?;
    events::record_in_order(tx, changes).await
}

impl Names {
    /// The consensus in terms of the rows of this database.
    fn state(&self, peer: &PeerVerdict, clock: Clock) -> State {
        let evidence = |seen: &ProbeEvidence| {
            let interval = Duration::from_millis(u64::try_from(seen.interval_ms).unwrap_or(0));
            let ProbeEvidence { status, response_us, .. } = *seen;
            let at = clock.here(seen.at);
            Some((*self.probes.get(&seen.server_id)?, Evidence { status, at, interval, response_us }))
        };
        let region = |word: &RegionWord| {
            let RegionWord { status, contradictions, doubted, .. } = *word;
            let turned_at = word.turned_at.map(|at| clock.here(at));
            let probes = word.evidence.iter().filter_map(evidence).collect();
            let state = RegionState { status, contradictions, turned_at, doubted, probes };
            Some((*self.regions.get(&word.region)?, state))
        };
        State { regions: peer.regions.iter().filter_map(region).collect() }
    }
}
