//! What the regions together say about a peer.
//!
//! A pure function of the previous state, new observations, the policy and the time. It is applied as results arrive
//! and by a timer, because evidence goes stale without anything arriving.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    model::{ProbeId, RegionId},
    time::{CLOCK_TOLERANCE, Timestamp, millis},
};

/// When evidence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Consecutive results it takes to change a region's word from one known state to the other; at least 1.
    pub confirmations: u32,
    /// Evidence is stale when it is older than this many check intervals of its probe …
    pub fresh_intervals: u32,
    /// … and than this.
    pub min_fresh: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { confirmations: 2, fresh_intervals: 3, min_fresh: Duration::from_secs(60) }
    }
}

impl Policy {
    /// The last moment at which `evidence` is fresh.
    fn fresh_until(&self, evidence: &Evidence) -> Timestamp {
        evidence.at + self.min_fresh.max(evidence.interval.saturating_mul(self.fresh_intervals))
    }
}

/// What is said of a peer by a probe, or by a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    Offline,
    Online,
}

/// What the regions together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No region has fresh evidence.
    #[default]
    Unknown,
    /// No fresh region says Online.
    Down,
    /// Some do, but no more than half.
    Partial,
    /// More than half of the fresh regions say Online.
    Up,
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Down, Self::Partial, Self::Up];

    pub fn as_str(self) -> &'static str {
        ["unknown", "down", "partial", "up"][self as usize]
    }

    /// The verdict of regions of which `online` say Online and `offline` Offline.
    fn of(online: usize, offline: usize) -> Self {
        match (online, offline) {
            (0, 0) => Self::Unknown,
            (0, _) => Self::Down,
            _ if online > offline => Self::Up,
            _ => Self::Partial,
        }
    }
}

/// One result that is evidence; `Unknown` results are none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    pub region: RegionId,
    pub probe: ProbeId,
    pub word: Word,
    pub at: Timestamp,
    /// How often that probe checks.
    pub interval: Duration,
    /// Round trip in microseconds.
    pub response_us: Option<i64>,
}

/// The newest observation of one probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    pub word: Word,
    pub at: Timestamp,
    pub interval: Duration,
    pub response_us: Option<i64>,
}

/// One region's part of the state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegionState {
    /// What the region says; `None` without fresh evidence of a live probe.
    pub word: Option<Word>,
    /// How many consecutive results have contradicted the word.
    pub doubt: u32,
    /// Of each probe with fresh evidence.
    pub probes: BTreeMap<ProbeId, Evidence>,
}

/// All that the next step needs to know of a peer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "wire::State", from = "wire::State")]
pub struct State {
    pub regions: BTreeMap<RegionId, RegionState>,
}

/// What a step changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Verdict { was: Verdict, became: Verdict },
    Region { region: RegionId, was: Option<Word>, became: Option<Word> },
}

impl State {
    pub fn verdict(&self) -> Verdict {
        let says = |word| self.regions.values().filter(|region| region.word == Some(word)).count();
        Verdict::of(says(Word::Online), says(Word::Offline))
    }

    /// When evidence goes stale next, so that the timer has to look again.
    pub fn review_at(&self, policy: &Policy) -> Option<Timestamp> {
        self.evidence().map(|(_, evidence)| Timestamp(policy.fresh_until(evidence).0 + 1)).min()
    }

    /// The median round trip over the regions that say Online, in microseconds; a region's is that of its newest
    /// Online evidence.
    pub fn response_us(&self) -> Option<i64> {
        let mut figures: Vec<i64> = self
            .regions
            .values()
            .filter(|region| region.word == Some(Word::Online))
            .filter_map(RegionState::response_us)
            .collect();
        figures.sort_unstable();
        let middle = figures.len() / 2;
        match figures.len() {
            0 => None,
            n if n % 2 == 1 => Some(figures[middle]),
            _ => Some((figures[middle - 1] + figures[middle]) / 2),
        }
    }

    /// The evidence of every probe.
    pub fn evidence(&self) -> impl Iterator<Item = (ProbeId, &Evidence)> {
        self.regions.values().flat_map(|region| region.probes.iter().map(|(probe, evidence)| (*probe, evidence)))
    }
}

/// The next state, and what changed.
///
/// `observations` are taken in the order of their times; one that is not newer than what its probe said before, up to
/// `now`, changes nothing. `is_live` tells whether a probe is there at `now`: the evidence of one that is not does not count.
pub fn advance(
    previous: &State,
    observations: &[Observation],
    is_live: impl Fn(ProbeId) -> bool,
    policy: &Policy,
    now: Timestamp,
) -> (State, Vec<Change>) {
    let mut state = previous.clone();
    for region in state.regions.values_mut() {
        region.settle(&is_live, policy, now);
    }
    let mut in_order: Vec<&Observation> = observations.iter().collect();
    in_order.sort_by_key(|observation| observation.at);
    for observation in in_order {
        let region = state.regions.entry(observation.region).or_default();
        region.hear(observation, &is_live, policy, now);
    }
    state.regions.retain(|_, region| !region.probes.is_empty());

    let mut changes = Vec::new();
    let (was, became) = (previous.verdict(), state.verdict());
    if was != became {
        changes.push(Change::Verdict { was, became });
    }
    let word = |state: &State, region: RegionId| state.regions.get(&region).and_then(|region| region.word);
    let named: BTreeSet<RegionId> = previous.regions.keys().chain(state.regions.keys()).copied().collect();
    for region in named {
        let (was, became) = (word(previous, region), word(&state, region));
        if was != became {
            changes.push(Change::Region { region, was, became });
        }
    }
    (state, changes)
}

impl RegionState {
    /// The round trip of the newest Online evidence, in microseconds.
    pub fn response_us(&self) -> Option<i64> {
        let online = self.probes.values().filter(|evidence| evidence.word == Word::Online);
        online.max_by_key(|evidence| evidence.at)?.response_us
    }

    /// Drops what is stale, and the word when nothing that counts is left. A word that lost its support but is
    /// contradicted stays until results contradict it often enough.
    fn settle(&mut self, is_live: &impl Fn(ProbeId) -> bool, policy: &Policy, now: Timestamp) {
        self.probes.retain(|_, evidence| policy.fresh_until(evidence) >= now);
        match (self.word, self.loudest(is_live)) {
            (_, None) => (self.word, self.doubt) = (None, 0),
            // A probe came back whose evidence is still fresh.
            (None, Some(said)) => (self.word, self.doubt) = (Some(said), 0),
            (Some(word), Some(said)) if word == said => self.doubt = 0,
            (Some(_), Some(_)) => {}
        }
    }

    fn hear(&mut self, observation: &Observation, is_live: &impl Fn(ProbeId) -> bool, policy: &Policy, now: Timestamp) {
        let Observation { probe, word: heard, at, interval, response_us, .. } = *observation;
        let evidence = Evidence { word: heard, at, interval, response_us };
        // What is known from a time that has not come was seen before the clock was set back: it must not keep everything
        // that is seen now from counting until that time comes again.
        let is_late = |known: &Evidence| known.at >= at && known.at <= now + CLOCK_TOLERANCE;
        if self.probes.get(&probe).is_some_and(is_late) || policy.fresh_until(&evidence) < now {
            return;
        }
        self.probes.insert(probe, evidence);
        match (self.word, self.loudest(is_live)) {
            (_, None) => (self.word, self.doubt) = (None, 0),
            (None, Some(said)) => (self.word, self.doubt) = (Some(said), 0),
            (Some(word), Some(said)) if word == said => self.doubt = 0,
            // Only a result that itself contradicts the word is one more reason to doubt it.
            (Some(_), Some(said)) if heard == said && is_live(probe) => {
                self.doubt += 1;
                if self.doubt >= policy.confirmations {
                    (self.word, self.doubt) = (Some(said), 0);
                }
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// Online when any live probe says so.
    fn loudest(&self, is_live: &impl Fn(ProbeId) -> bool) -> Option<Word> {
        self.probes.iter().filter(|(probe, _)| is_live(**probe)).map(|(_, evidence)| evidence.word).max()
    }
}

/// The state as it is stored: arrays instead of names, because every result reads and writes one.
mod wire {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct State(Vec<Region>);

    /// Region, word, doubt, probes.
    #[derive(Serialize, Deserialize)]
    struct Region(RegionId, Option<u8>, u32, Vec<Probe>);

    /// Probe, word, time, interval in milliseconds, round trip in microseconds.
    #[derive(Serialize, Deserialize)]
    struct Probe(ProbeId, u8, i64, i64, Option<i64>);

    fn word(code: u8) -> Word {
        if code == 0 { Word::Offline } else { Word::Online }
    }

    impl From<super::State> for State {
        fn from(state: super::State) -> Self {
            let region = |(id, region): (RegionId, RegionState)| {
                let probe = |(id, evidence): (ProbeId, Evidence)| {
                    let Evidence { word, at, interval, response_us } = evidence;
                    Probe(id, word as u8, at.0, millis(interval), response_us)
                };
                let word = region.word.map(|word| word as u8);
                Region(id, word, region.doubt, region.probes.into_iter().map(probe).collect())
            };
            Self(state.regions.into_iter().map(region).collect())
        }
    }

    impl From<State> for super::State {
        fn from(State(regions): State) -> Self {
            let region = |Region(id, said, doubt, probes)| {
                let probe = |Probe(id, said, at, interval, response_us)| {
                    let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(0));
                    (id, Evidence { word: word(said), at: Timestamp(at), interval, response_us })
                };
                let probes = probes.into_iter().map(probe).collect();
                (id, RegionState { word: said.map(word), doubt, probes })
            };
            Self { regions: regions.into_iter().map(region).collect() }
        }
    }
}

#[cfg(test)]
mod tests;
