//! Holds failures back until it is known whether nearly all peers fail at once.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    reach::{Evidence, Reach},
    scope::Scope,
};
use crate::{CheckReport, CheckResult, FailureCode, Status, result::MAX_MESSAGE_CHARS};

/// With fewer peers that were online, all of them may well fail at once.
const MIN_PEERS: usize = 5;
/// The share of the peers that were online that must fail at once, in percent.
const MIN_FAILING_PERCENT: usize = 80;
/// How long failures are doubted when no target says anything about the probe's network.
const MAX_UNPROVEN: Duration = Duration::from_secs(600);

/// What a check says about the network between the probe and the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The peer is online.
    Online,
    /// The peer could not be reached or did not answer.
    Failed,
    /// Neither, such as a check that could not start.
    Inconclusive,
}

impl Finding {
    /// The finding of a check with this result.
    pub fn of(result: &CheckResult) -> Self {
        match (result.status, result.error) {
            (Status::Online, _) => Self::Online,
            (Status::Offline, _) | (_, Some(FailureCode::ProbeUnreachable)) => Self::Failed,
            _ => Self::Inconclusive,
        }
    }
}

/// Why a failure says nothing about the peer: too many others fail with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// How many peers fail.
    pub failing: usize,
    /// How many peers were online before.
    pub were_up: usize,
    /// Whether a target of the self-check did not answer either; if not, there is no target that could tell.
    pub is_proven: bool,
}

impl Doubt {
    /// Makes the result of a check one that says nothing about the peer. Other results than Offline stay as they are.
    pub fn apply_to(self, report: &mut CheckReport) {
        let result = &mut report.result;
        if result.status != Status::Offline {
            return;
        }
        let code = result.error.map(FailureCode::as_str).unwrap_or_default();
        let message = format!("{self}; the check said {code}: {}", result.message.as_deref().unwrap_or_default());
        result.message = Some(message.chars().take(MAX_MESSAGE_CHARS).collect());
        result.status = Status::Unknown;
        result.error = Some(FailureCode::ProbeUnreachable);
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failing, were_up, is_proven } = self;
        let proof = match is_proven {
            true => "the targets of the self-check do not answer either",
            false => "no target of the self-check can tell whether this probe is cut off",
        };
        write!(f, "{failing} of {were_up} peers failed at once, and {proof}")
    }
}

/// An observation that need not wait any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Judged<T> {
    /// What was observed.
    pub observation: T,
    /// Why it says nothing about the peer; `None` if it stands.
    pub doubt: Option<Doubt>,
}

/// Holds back the failures of peers that were online, until it is decided whether they stand.
///
/// It knows nothing of clocks and networks: the caller passes the time, and asks the targets when [`Judge::needs_proof`].
/// Observations of one peer are released in their order.
pub struct Judge<T> {
    hold: Duration,
    /// The peers whose last finding that stands is online.
    up: HashMap<i64, UpPeer>,
    /// The counts of `up` by scope.
    tallies: [Tally; Scope::ALL.len()],
    held: VecDeque<Held<T>>,
    /// How many observations of a peer are held back.
    held_of: HashMap<i64, usize>,
    /// Since when failures are doubted without proof.
    unproven_since: Option<Instant>,
    /// The doubt of the last decision, while it lasts.
    doubt: Option<Doubt>,
}

#[derive(Debug, Clone, Copy)]
struct UpPeer {
    scope: Scope,
    is_failing: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    up: usize,
    failing: usize,
    /// How many checks found a peer online, since the start.
    seen_online: u64,
}

impl Tally {
    fn is_suspicious(self) -> bool {
        self.up >= MIN_PEERS && self.failing * 100 >= self.up * MIN_FAILING_PERCENT
    }
}

struct Held<T> {
    peer_id: i64,
    scope: Scope,
    finding: Finding,
    since: Instant,
    /// How many checks had found a peer online by then, by the nearest scope that counts.
    seen_online: [u64; Scope::ALL.len()],
    observation: T,
}

impl<T> Judge<T> {
    /// A judge that holds a failure back for `hold` at most while it is not suspicious: the interval of the checks.
    pub fn new(hold: Duration) -> Self {
        Self {
            hold,
            up: HashMap::new(),
            tallies: Default::default(),
            held: VecDeque::new(),
            held_of: HashMap::new(),
            unproven_since: None,
            doubt: None,
        }
    }

    /// Takes a peer for online, as others say of it, before its first check.
    pub fn expect_online(&mut self, peer_id: i64, scope: Scope) {
        self.up.entry(peer_id).or_insert_with(|| {
            self.tallies[scope as usize].up += 1;
            UpPeer { scope, is_failing: false }
        });
    }

    /// Forgets a peer. Its observations that are held back are lost.
    pub fn forget(&mut self, peer_id: i64) {
        self.remove_up(peer_id);
        if self.held_of.remove(&peer_id).is_some() {
            self.held.retain(|held| held.peer_id != peer_id);
        }
    }

    /// Takes an observation of a peer, and returns it unless it must wait.
    pub fn observe(&mut self, now: Instant, peer_id: i64, scope: Scope, finding: Finding, observation: T) -> Option<T> {
        if finding == Finding::Online {
            self.expect_online(peer_id, scope);
        }
        let is_up = self.note(peer_id, finding);
        let must_wait = is_up && finding == Finding::Failed || self.held_of.contains_key(&peer_id);
        if !must_wait {
            self.end_suspicion();
            return Some(observation);
        }
        let scope = self.up.get(&peer_id).map_or(scope, |peer| peer.scope);
        *self.held_of.entry(peer_id).or_default() += 1;
        let seen_online = Scope::ALL.map(|nearest| self.beyond(nearest).seen_online);
        self.held.push_back(Held { peer_id, scope, finding, since: now, seen_online, observation });
        None
    }

    /// Counts the finding, and returns whether the peer was online.
    fn note(&mut self, peer_id: i64, finding: Finding) -> bool {
        let Some(peer) = self.up.get_mut(&peer_id) else { return false };
        let tally = &mut self.tallies[peer.scope as usize];
        tally.seen_online += u64::from(finding == Finding::Online);
        match finding {
            Finding::Online if peer.is_failing => (peer.is_failing, tally.failing) = (false, tally.failing - 1),
            Finding::Failed if !peer.is_failing => (peer.is_failing, tally.failing) = (true, tally.failing + 1),
            _ => {}
        }
        true
    }

    /// Whether failures wait for [`Judge::decide`].
    pub fn needs_proof(&self) -> bool {
        self.held.iter().any(|held| held.finding == Finding::Failed && self.suspicion(held.scope).is_some())
    }

    /// Why failures are doubted at present; `None` if none are.
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// Releases the failures that are not suspicious, and have waited long enough or cannot become suspicious: there are
    /// few peers, or enough others were found online after the failure.
    pub fn release_due(&mut self, now: Instant) -> Vec<Judged<T>> {
        let hold = self.hold;
        self.release(|judge, held| {
            let has_waited = now.saturating_duration_since(held.since) >= hold;
            let is_due = judge.suspicion(held.scope).is_none() && (has_waited || judge.is_ruled_out(held));
            is_due.then_some(Verdict::Stands)
        })
    }

    /// Decides about the failures that are suspicious, by what the targets of the self-check say.
    pub fn decide(&mut self, now: Instant, reach: Reach) -> Vec<Judged<T>> {
        let unproven_for = self.unproven_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let released = self.release(|judge, held| {
            let Tally { up, failing, .. } = judge.suspicion(held.scope)?;
            let doubted = |is_proven| Verdict::Doubted(Doubt { failing, were_up: up, is_proven });
            Some(match reach.evidence(held.scope) {
                Evidence::Connected => Verdict::Stands,
                Evidence::CutOff => doubted(true),
                Evidence::None if unproven_for < MAX_UNPROVEN => doubted(false),
                Evidence::None => Verdict::Stands,
            })
        });
        self.doubt = released.iter().find_map(|judged| judged.doubt);
        self.unproven_since = match self.doubt {
            Some(Doubt { is_proven: false, .. }) => self.unproven_since.or(Some(now)),
            _ => None,
        };
        released
    }

    /// Releases everything as it is.
    pub fn release_all(&mut self) -> Vec<Judged<T>> {
        self.release(|_, _| Some(Verdict::Stands))
    }

    /// Releases the failures that have a verdict, and what was observed of the same peers after them.
    fn release(&mut self, verdict: impl Fn(&Self, &Held<T>) -> Option<Verdict>) -> Vec<Judged<T>> {
        // All verdicts are made before the first changes the tallies.
        let verdicts: Vec<_> = self.held.iter().map(|held| verdict(self, held)).collect();
        let mut released = Vec::new();
        // By peer: whether the observations before were released.
        let mut before: HashMap<i64, Before> = HashMap::new();
        for (held, verdict) in std::mem::take(&mut self.held).into_iter().zip(verdicts) {
            let verdict = match (before.get(&held.peer_id), held.finding) {
                (Some(Before::Waits), _) => None,
                (Some(Before::Down), _) => Some(Verdict::Stands),
                (_, Finding::Failed) => verdict,
                (_, Finding::Online | Finding::Inconclusive) => Some(Verdict::Stands),
            };
            let Some(verdict) = verdict else {
                before.insert(held.peer_id, Before::Waits);
                self.held.push_back(held);
                continue;
            };
            let Held { peer_id, scope, finding, observation, .. } = held;
            if let Entry::Occupied(mut count) = self.held_of.entry(peer_id) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
            let doubt = match (verdict, finding) {
                (Verdict::Doubted(doubt), Finding::Failed) => Some(doubt),
                // It is down from now on, and its next failure need not wait.
                (Verdict::Stands, Finding::Failed) => {
                    self.remove_up(peer_id);
                    before.insert(peer_id, Before::Down);
                    None
                }
                (_, Finding::Online) => {
                    self.expect_online(peer_id, scope);
                    before.remove(&peer_id);
                    None
                }
                (_, Finding::Inconclusive) => None,
            };
            released.push(Judged { observation, doubt });
        }
        self.end_suspicion();
        released
    }

    /// The counts by which failures of peers at `scope` may be the probe's: nearly all peers that are as far away as these
    /// fail, or nearly all beyond a nearer scope. `None` if they are not suspicious.
    fn suspicion(&self, scope: Scope) -> Option<Tally> {
        let nearer = Scope::ALL.iter().rev().filter(|nearest| **nearest <= scope);
        nearer.map(|nearest| self.beyond(*nearest)).find(|tally| tally.is_suspicious())
    }

    /// Whether so many peers were found online after a failure that it cannot be the probe's.
    fn is_ruled_out(&self, held: &Held<T>) -> bool {
        Scope::ALL.iter().filter(|nearest| **nearest <= held.scope).all(|nearest| {
            let tally = self.beyond(*nearest);
            let since = tally.seen_online - held.seen_online[*nearest as usize];
            tally.up < MIN_PEERS || since as usize * 100 > tally.up * (100 - MIN_FAILING_PERCENT)
        })
    }

    /// The counts of all peers that are as far away as `nearest`, or farther.
    fn beyond(&self, nearest: Scope) -> Tally {
        self.tallies[nearest as usize..].iter().fold(Tally::default(), |sum, tally| Tally {
            up: sum.up + tally.up,
            failing: sum.failing + tally.failing,
            seen_online: sum.seen_online + tally.seen_online,
        })
    }

    fn end_suspicion(&mut self) {
        if Scope::ALL.iter().all(|scope| self.suspicion(*scope).is_none()) {
            (self.unproven_since, self.doubt) = (None, None);
        }
    }

    fn remove_up(&mut self, peer_id: i64) {
        let Some(peer) = self.up.remove(&peer_id) else { return };
        let tally = &mut self.tallies[peer.scope as usize];
        tally.up -= 1;
        tally.failing -= usize::from(peer.is_failing);
    }
}

/// The decision about a failure that was held back.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Stands,
    Doubted(Doubt),
}

/// What became of the earlier observations of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// One of them waits.
    Waits,
    /// Its failure stands.
    Down,
}

#[cfg(test)]
mod tests;
