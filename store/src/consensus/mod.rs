//! The consensus of the regions about a peer.
//!
//! A pure function of the previous state, new observations, the policy and the time. It is applied as results arrive,
//! and by a timer, because evidence becomes stale without any result.
//!
//! A region sees a peer online when one of its live probes does. A status that is known changes only after several
//! consecutive results that contradict it, so that a lost packet does not make a peer flap.
//!
//! A region in which most peers turn offline at once is in doubt: see [`doubt`].

pub mod doubt;
mod stored;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::domain::{CLOCK_TOLERANCE, Policy, ProbeId, RegionId, RegionStatus, Timestamp, Verdict};

/// A result that is evidence. Results with the status `Unknown` are not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The region of the probe.
    pub region: RegionId,
    /// The probe that checked.
    pub probe: ProbeId,
    /// How the probe sees the peer.
    pub status: RegionStatus,
    /// When the probe checked.
    pub at: Timestamp,
    /// The check interval of the probe.
    pub interval: Duration,
    /// The round trip in microseconds.
    pub response_us: Option<i64>,
}

/// The newest observation of one probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// How the probe sees the peer.
    pub status: RegionStatus,
    /// When the probe checked.
    pub at: Timestamp,
    /// The check interval of the probe.
    pub interval: Duration,
    /// The round trip in microseconds.
    pub response_us: Option<i64>,
}

impl Evidence {
    /// The last moment at which it is fresh.
    fn fresh_until(&self, policy: &Policy) -> Timestamp {
        self.at + policy.freshness(self.interval)
    }
}

/// One region's part of the state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegionState {
    /// How the region sees the peer; `None` without fresh evidence of a live probe. Whether it counts says
    /// [`RegionState::word`].
    pub status: Option<RegionStatus>,
    /// How many consecutive results contradicted the status.
    pub contradictions: u32,
    /// When the status changed from online to offline, until a result of the next interval confirms the change.
    pub turned_at: Option<Timestamp>,
    /// Whether a change to offline, made or beginning, is in doubt. It stays so until the next interval.
    pub doubted: bool,
    /// The fresh evidence by probe.
    pub probes: BTreeMap<ProbeId, Evidence>,
}

/// Everything that [`advance`] needs to know about a peer. Its stored form is JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The regions with fresh evidence.
    pub regions: BTreeMap<RegionId, RegionState>,
}

/// A difference between two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The verdict changed.
    Verdict {
        /// The verdict before.
        was: Verdict,
        /// The verdict after.
        became: Verdict,
    },
    /// The word of a region changed.
    Region {
        /// The region.
        region: RegionId,
        /// Its word before.
        was: Option<RegionStatus>,
        /// Its word after.
        became: Option<RegionStatus>,
    },
}

impl State {
    /// The verdict: a vote of the fresh regions.
    pub fn verdict(&self) -> Verdict {
        let count = |status| self.regions.values().filter(|region| region.word() == Some(status)).count();
        Verdict::of(count(RegionStatus::Online), count(RegionStatus::Offline))
    }

    /// When evidence next becomes stale, so that the timer has to apply [`advance`] again; `None` without evidence.
    pub fn review_at(&self, policy: &Policy) -> Option<Timestamp> {
        self.evidence().map(|(_, evidence)| Timestamp(evidence.fresh_until(policy).0 + 1)).min()
    }

    /// The median round trip in microseconds, over the regions that see the peer online. The round trip of a region is
    /// that of its newest evidence for online.
    pub fn response_us(&self) -> Option<i64> {
        let mut round_trips: Vec<i64> = self
            .regions
            .values()
            .filter(|region| region.status == Some(RegionStatus::Online))
            .filter_map(RegionState::response_us)
            .collect();
        round_trips.sort_unstable();
        let middle = round_trips.len() / 2;
        match round_trips.len() {
            0 => None,
            n if n % 2 == 1 => Some(round_trips[middle]),
            _ => Some((round_trips[middle - 1] + round_trips[middle]) / 2),
        }
    }

    /// Applies the check intervals that the probes have now. Results arrive before the report that tells when to expect the
    /// next ones.
    pub fn set_intervals(&mut self, interval_of: impl Fn(ProbeId) -> Option<Duration>) {
        for (probe, evidence) in self.regions.values_mut().flat_map(|region| &mut region.probes) {
            evidence.interval = interval_of(*probe).unwrap_or(evidence.interval);
        }
    }

    /// Drops evidence of checks before this time.
    pub fn keep_since(&mut self, since: Timestamp) {
        for region in self.regions.values_mut() {
            region.probes.retain(|_, evidence| evidence.at >= since);
        }
        self.regions.retain(|_, region| !region.probes.is_empty());
    }

    /// Adds what another instance knows: the newer evidence of each probe, and of each region the status of whoever has its
    /// newest evidence.
    pub fn adopt(&mut self, other: Self) {
        for (id, theirs) in other.regions {
            let Some(ours) = self.regions.get_mut(&id) else {
                self.regions.insert(id, theirs);
                continue;
            };
            if theirs.newest() > ours.newest() {
                let RegionState { status, contradictions, turned_at, doubted, .. } = theirs;
                (ours.status, ours.contradictions) = (status, contradictions);
                (ours.turned_at, ours.doubted) = (turned_at, doubted);
            }
            for (probe, evidence) in theirs.probes {
                let known = ours.probes.entry(probe).or_insert(evidence);
                if known.at < evidence.at {
                    *known = evidence;
                }
            }
        }
    }

    /// Until when some evidence is fresh; `None` without any.
    pub fn fresh_until(&self, policy: &Policy) -> Option<Timestamp> {
        self.evidence().map(|(_, evidence)| evidence.fresh_until(policy)).max()
    }

    /// The evidence of every probe.
    pub fn evidence(&self) -> impl Iterator<Item = (ProbeId, &Evidence)> {
        self.regions.values().flat_map(|region| region.probes.iter().map(|(probe, evidence)| (*probe, evidence)))
    }
}

/// The next state, and what changed; a change of the verdict comes first.
///
/// `observations` are applied in the order of their times. An observation is ignored when its probe has newer evidence,
/// unless that evidence lies in the future of `now`. `is_live` says whether a probe runs at `now`; the evidence of a probe
/// that does not run is kept but does not count.
pub fn advance(
    previous: &State,
    observations: &[Observation],
    is_live: impl Fn(ProbeId) -> bool,
    policy: &Policy,
    now: Timestamp,
) -> (State, Vec<Change>) {
    let mut state = previous.clone();
    for region in state.regions.values_mut() {
        region.drop_stale(&is_live, policy, now);
    }
    let mut in_order: Vec<&Observation> = observations.iter().collect();
    in_order.sort_by_key(|observation| observation.at);
    for observation in in_order {
        let region = state.regions.entry(observation.region).or_default();
        region.observe(observation, &is_live, policy, now);
    }
    state.regions.retain(|_, region| !region.probes.is_empty());
    let changes = changes(previous, &state);
    (state, changes)
}

fn changes(previous: &State, next: &State) -> Vec<Change> {
    let mut changes = Vec::new();
    let (was, became) = (previous.verdict(), next.verdict());
    if was != became {
        changes.push(Change::Verdict { was, became });
    }
    let status = |state: &State, region: RegionId| state.regions.get(&region).and_then(RegionState::word);
    let regions: BTreeSet<RegionId> = previous.regions.keys().chain(next.regions.keys()).copied().collect();
    for region in regions {
        let (was, became) = (status(previous, region), status(next, region));
        if was != became {
            changes.push(Change::Region { region, was, became });
        }
    }
    changes
}

impl RegionState {
    /// The status that counts: `None` without fresh evidence of a live probe, and while a change to offline is in doubt.
    pub fn word(&self) -> Option<RegionStatus> {
        self.status.filter(|_| !self.is_in_doubt())
    }

    /// Whether the status is a change to offline that does not count yet.
    pub fn is_in_doubt(&self) -> bool {
        self.doubted && self.status == Some(RegionStatus::Offline)
    }

    /// The time of the newest evidence.
    fn newest(&self) -> Option<Timestamp> {
        self.probes.values().map(|evidence| evidence.at).max()
    }

    /// The round trip in microseconds of the newest evidence for online.
    pub fn response_us(&self) -> Option<i64> {
        let online = self.probes.values().filter(|evidence| evidence.status == RegionStatus::Online);
        online.max_by_key(|evidence| evidence.at)?.response_us
    }

    /// Drops stale evidence, and the status when no evidence counts any more. A status that only lost its support stays
    /// until enough results contradict it.
    fn drop_stale(&mut self, is_live: &impl Fn(ProbeId) -> bool, policy: &Policy, now: Timestamp) {
        self.probes.retain(|_, evidence| evidence.fresh_until(policy) >= now);
        match (self.status, self.effective(is_live)) {
            (_, None) => self.settle(None),
            // A probe came back while its evidence was still fresh.
            (None, Some(effective)) => self.settle(Some(effective)),
            (Some(status), Some(effective)) if status == effective => self.agree(),
            (Some(_), Some(_)) => {}
        }
    }

    fn observe(
        &mut self,
        observation: &Observation,
        is_live: &impl Fn(ProbeId) -> bool,
        policy: &Policy,
        now: Timestamp,
    ) {
        let Observation { probe, status: observed, at, interval, response_us, .. } = *observation;
        let evidence = Evidence { status: observed, at, interval, response_us };
        // Evidence from the future was stored before a clock was set back. It must not suppress new results until that
        // time comes again.
        let is_newer = |known: &Evidence| known.at >= at && known.at <= now + CLOCK_TOLERANCE;
        if self.probes.get(&probe).is_some_and(is_newer) || evidence.fresh_until(policy) < now {
            return;
        }
        self.probes.insert(probe, evidence);
        match (self.status, self.effective(is_live)) {
            (_, None) => self.settle(None),
            (None, Some(effective)) => self.settle(Some(effective)),
            (Some(status), Some(effective)) if status == effective => self.agree(),
            // Only a result that itself contradicts the status counts as a contradiction.
            (Some(_), Some(effective)) if observed == effective && is_live(probe) => {
                self.contradictions += 1;
                // What was in doubt never counted, so it is forgotten at once.
                if self.contradictions >= policy.confirmations || self.is_in_doubt() {
                    self.turned_at = (effective == RegionStatus::Offline).then_some(at);
                    self.settle(Some(effective));
                }
            }
            (Some(_), Some(_)) => {}
        }
        let is_confirmed = |turned_at| doubt::confirms(at, turned_at, interval, now);
        let agrees = self.status == Some(RegionStatus::Offline) && observed == RegionStatus::Offline && is_live(probe);
        if agrees && self.turned_at.is_some_and(is_confirmed) {
            (self.turned_at, self.doubted) = (None, false);
        }
    }

    /// Sets the status. A change to offline that is in doubt stays in doubt while the status is unknown.
    fn settle(&mut self, status: Option<RegionStatus>) {
        self.status = status;
        self.agree();
    }

    /// Notes that the evidence agrees with the status.
    fn agree(&mut self) {
        self.contradictions = 0;
        if self.status == Some(RegionStatus::Online) || self.turned_at.is_none() {
            (self.turned_at, self.doubted) = (None, false);
        }
    }

    /// The status by the evidence of the live probes: online when any of them sees the peer online.
    fn effective(&self, is_live: &impl Fn(ProbeId) -> bool) -> Option<RegionStatus> {
        self.probes.iter().filter(|(probe, _)| is_live(**probe)).map(|(_, evidence)| evidence.status).max()
    }
}
