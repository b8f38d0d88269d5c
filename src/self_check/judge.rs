//! Holds failures back until it is known whether nearly all peers fail at once.

mod tally;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    time::Duration,
};

use tokio::time::Instant;

use self::tally::{Contacts, Tally};
use super::{
    finding::Finding,
    reach::{Evidence, Reach},
    scope::Scope,
};
use crate::{CheckReport, FailureCode, Status, result::MAX_MESSAGE_CHARS};

/// How long failures are doubted when no target says anything about the probe's network.
const MAX_UNPROVEN: Duration = Duration::from_secs(600);

/// A check that has ended, for the [`Judge`].
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    /// The peer.
    pub peer_id: i64,
    /// How far away the peer is.
    pub scope: Scope,
    /// What the check found.
    pub finding: Finding,
    /// When the check began.
    pub began: Instant,
}

/// Why a failure says nothing about the peer: too many others fail with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// How many peers fail.
    pub failing: usize,
    /// How many peers were online before, and have been checked since.
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
/// A check that began while the probe was cut off may fail long after that. So a failure is doubted if the probe was cut off
/// at any time since the check began.
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
    /// The last time without a network.
    cut_off: Option<CutOff>,
}

/// A time in which failures are doubted.
#[derive(Debug, Clone, Copy)]
struct CutOff {
    /// The doubt of the last decision in it.
    doubt: Doubt,
    /// The nearest peers that it concerned.
    scope: Scope,
    /// When the network was seen to be back; `None` if it is not.
    until: Option<Instant>,
}

impl CutOff {
    fn is_over(&self) -> bool {
        self.until.is_some()
    }

    /// Why the failure of a check that began before the end is doubted.
    fn doubt_about<T>(&self, held: &Held<T>) -> Option<Doubt> {
        let is_covered = held.scope >= self.scope && self.until.is_none_or(|until| held.began < until);
        is_covered.then_some(self.doubt)
    }
}

#[derive(Debug, Clone, Copy)]
struct UpPeer {
    scope: Scope,
    /// The last finding. While nothing is known of the peer, it counts neither as failing nor as online.
    last: Finding,
    /// When the last check began that found the peer online.
    online_at: Option<Instant>,
}

struct Held<T> {
    peer_id: i64,
    scope: Scope,
    finding: Finding,
    began: Instant,
    since: Instant,
    observation: T,
}

impl<T> Judge<T> {
    /// A judge that holds a failure back for `hold` at most while it is not suspicious. In that time every other peer must
    /// have been checked: it is the interval of the checks, and the time that the longest check may take.
    pub fn new(hold: Duration) -> Self {
        Self {
            hold,
            up: HashMap::new(),
            tallies: Default::default(),
            held: VecDeque::new(),
            held_of: HashMap::new(),
            unproven_since: None,
            cut_off: None,
        }
    }

    /// Changes how long a failure is held back while it is not suspicious.
    pub fn set_hold(&mut self, hold: Duration) {
        self.hold = hold;
    }

    /// Takes a peer for online, as others say of it, before its first check.
    pub fn expect_online(&mut self, peer_id: i64, scope: Scope) {
        self.up.entry(peer_id).or_insert_with(|| {
            let last = Finding::Online;
            self.tallies[scope as usize].add(last);
            UpPeer { scope, last, online_at: None }
        });
    }

    /// Forgets a peer. Its observations that are held back are lost.
    pub fn forget(&mut self, peer_id: i64) {
        self.remove_up(peer_id);
        if self.held_of.remove(&peer_id).is_some() {
            self.held.retain(|held| held.peer_id != peer_id);
        }
    }

    /// Takes the observation of a check that ends at `now`, and returns it unless it must wait.
    pub fn observe(&mut self, now: Instant, checked: Checked, observation: T) -> Option<T> {
        let Checked { peer_id, finding, began, .. } = checked;
        if finding == Finding::Online {
            self.expect_online(peer_id, checked.scope);
        }
        let is_up = self.note(checked);
        let must_wait = is_up && finding == Finding::Failed || self.held_of.contains_key(&peer_id);
        if !must_wait {
            self.end_suspicion(now);
            return Some(observation);
        }
        let scope = self.up.get(&peer_id).map_or(checked.scope, |peer| peer.scope);
        *self.held_of.entry(peer_id).or_default() += 1;
        self.held.push_back(Held { peer_id, scope, finding, began, since: now, observation });
        None
    }

    /// Counts the finding, and returns whether the peer was online.
    fn note(&mut self, Checked { peer_id, finding, began, .. }: Checked) -> bool {
        let Some(peer) = self.up.get_mut(&peer_id) else { return false };
        let tally = &mut self.tallies[peer.scope as usize];
        tally.remove(peer.last);
        peer.last = finding;
        tally.add(finding);
        if finding == Finding::Online {
            peer.online_at = Some(began);
        }
        true
    }

    /// Whether a failure waits.
    pub fn holds_failures(&self) -> bool {
        self.held.iter().any(|held| held.finding == Finding::Failed)
    }

    /// Whether failures wait for [`Judge::decide`].
    pub fn needs_proof(&self) -> bool {
        self.held.iter().any(|held| held.finding == Finding::Failed && self.suspicion(held.scope).is_some())
    }

    /// Why failures are doubted at present; `None` if none are.
    pub fn doubt(&self) -> Option<Doubt> {
        self.cut_off.filter(|cut_off| !cut_off.is_over()).map(|cut_off| cut_off.doubt)
    }

    /// Releases the failures that are not suspicious, and have waited long enough or cannot become suspicious: there are
    /// few peers, or enough others were found online by checks that began after the failure.
    pub fn release_due(&mut self, now: Instant) -> Vec<Judged<T>> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let (hold, contacts) = (self.hold, self.contacts());
        self.release(now, |judge, held| {
            let has_waited = now.saturating_duration_since(held.since) >= hold;
            let is_due = judge.suspicion(held.scope).is_none() && (has_waited || judge.is_ruled_out(held, &contacts));
            is_due.then(|| judge.unless_cut_off(held))
        })
    }

    /// Decides about the failures that are suspicious, by what the targets of the self-check said when they were asked, at
    /// `asked_at`.
    pub fn decide(&mut self, asked_at: Instant, now: Instant, reach: Reach) -> Vec<Judged<T>> {
        let decisions = self.decisions(now, reach);
        self.note_decisions(now, decisions);
        self.release(now, |judge, held| match decisions[held.scope as usize]? {
            // The connection may have been lost after that.
            Decision::Connected if held.since > asked_at => None,
            Decision::Connected => Some(judge.unless_cut_off(held)),
            Decision::Doubted(doubt) => Some(Verdict::Doubted(doubt)),
            Decision::DoubtedForTooLong => Some(Verdict::Stands),
        })
    }

    /// The decisions about failures of peers at each scope; `None` where they are not suspicious.
    fn decisions(&self, now: Instant, reach: Reach) -> [Option<Decision>; Scope::ALL.len()] {
        let unproven_for = self.unproven_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        Scope::ALL.map(|scope| {
            let Tally { known, failing, .. } = self.suspicion(scope)?;
            let doubted = |is_proven| Decision::Doubted(Doubt { failing, were_up: known, is_proven });
            Some(match reach.evidence(scope) {
                Evidence::Connected => Decision::Connected,
                Evidence::CutOff => doubted(true),
                Evidence::None if unproven_for < MAX_UNPROVEN => doubted(false),
                Evidence::None => Decision::DoubtedForTooLong,
            })
        })
    }

    /// Notes whether the decisions about the failures that wait say that the probe is cut off.
    fn note_decisions(&mut self, now: Instant, decisions: [Option<Decision>; Scope::ALL.len()]) {
        let failed = self.held.iter().filter(|held| held.finding == Finding::Failed);
        let decided = failed.filter_map(|held| Some((held.scope, decisions[held.scope as usize]?)));
        // The nearest scope, and at one scope there is one decision.
        let Some((scope, decision)) = decided.min_by_key(|(scope, decision)| (!decision.is_doubt(), *scope)) else {
            return;
        };
        match decision {
            Decision::Doubted(doubt) => {
                let nearest = self.cut_off.filter(|cut_off| !cut_off.is_over()).map_or(scope, |cut_off| cut_off.scope);
                self.cut_off = Some(CutOff { doubt, scope: scope.min(nearest), until: None });
                self.unproven_since = (!doubt.is_proven).then(|| self.unproven_since.unwrap_or(now));
            }
            Decision::Connected => self.end_cut_off(now),
            Decision::DoubtedForTooLong => (self.cut_off, self.unproven_since) = (None, None),
        }
    }

    /// Decides about everything that waits, because no more checks come. What is not suspicious yet may be the beginning of
    /// that, so it is doubted too if the targets do not answer.
    pub fn end(&mut self, asked_at: Instant, now: Instant, reach: Reach) -> Vec<Judged<T>> {
        let mut released = self.decide(asked_at, now, reach);
        released.extend(self.release(now, |judge, held| {
            let Tally { known, failing, .. } = judge.beyond(held.scope);
            Some(match reach.evidence(held.scope) {
                Evidence::CutOff => Verdict::Doubted(Doubt { failing, were_up: known, is_proven: true }),
                Evidence::Connected | Evidence::None => judge.unless_cut_off(held),
            })
        }));
        released
    }

    /// Releases everything as it is.
    pub fn release_all(&mut self, now: Instant) -> Vec<Judged<T>> {
        self.release(now, |_, _| Some(Verdict::Stands))
    }

    /// A failure stands, unless its check began while the probe was cut off.
    fn unless_cut_off(&self, held: &Held<T>) -> Verdict {
        match self.cut_off.and_then(|cut_off| cut_off.doubt_about(held)) {
            Some(doubt) => Verdict::Doubted(doubt),
            None => Verdict::Stands,
        }
    }

    /// Releases the failures that have a verdict, and what was observed of the same peers after them.
    fn release(&mut self, now: Instant, verdict: impl Fn(&Self, &Held<T>) -> Option<Verdict>) -> Vec<Judged<T>> {
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
        self.end_suspicion(now);
        released
    }

    /// The counts by which failures of peers at `scope` may be the probe's: nearly all peers that are as far away as these
    /// fail, or nearly all beyond a nearer scope. `None` if they are not suspicious.
    fn suspicion(&self, scope: Scope) -> Option<Tally> {
        let nearer = Scope::ALL.iter().rev().filter(|nearest| **nearest <= scope);
        nearer.map(|nearest| self.beyond(*nearest)).find(|tally| tally.is_suspicious())
    }

    /// Whether so many peers were found online after a failure that it cannot be the probe's.
    fn is_ruled_out(&self, held: &Held<T>, contacts: &Contacts) -> bool {
        Scope::ALL
            .iter()
            .filter(|nearest| **nearest <= held.scope)
            .all(|nearest| self.beyond(*nearest).is_connected(contacts.beyond_since(*nearest, held.since)))
    }

    /// When each peer was found online last.
    fn contacts(&self) -> Contacts {
        let mut contacts = Contacts::default();
        for UpPeer { scope, online_at, .. } in self.up.values() {
            contacts.extend(*scope, *online_at);
        }
        contacts.sorted()
    }

    /// The counts of all peers that are as far away as `nearest`, or farther.
    fn beyond(&self, nearest: Scope) -> Tally {
        self.tallies[nearest as usize..].iter().fold(Tally::default(), Tally::and)
    }

    fn end_suspicion(&mut self, now: Instant) {
        if Scope::ALL.iter().all(|scope| self.suspicion(*scope).is_none()) {
            self.end_cut_off(now);
        }
    }

    fn end_cut_off(&mut self, now: Instant) {
        self.unproven_since = None;
        if let Some(cut_off) = &mut self.cut_off {
            cut_off.until.get_or_insert(now);
        }
    }

    fn remove_up(&mut self, peer_id: i64) {
        if let Some(peer) = self.up.remove(&peer_id) {
            self.tallies[peer.scope as usize].remove(peer.last);
        }
    }
}

/// What the targets say about suspicious failures.
#[derive(Debug, Clone, Copy)]
enum Decision {
    Connected,
    Doubted(Doubt),
    /// No target can tell, and that has lasted too long.
    DoubtedForTooLong,
}

impl Decision {
    fn is_doubt(self) -> bool {
        matches!(self, Self::Doubted(_))
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
