//! When a dependent takes the primary's place. Both parts are pure: they get the time and what was seen as arguments.
//!
//! [`Outage`] counts how often and for how long the primary did not answer. [`decide`] weighs what the other instances say.

use std::time::Duration;

use easytier_uptime_store::domain::InstanceId;

/// How many checks in a row must miss the primary. They are a third of `FAILOVER_AFTER` apart.
pub const MISSES: u32 = 3;

/// How often the primary did not answer. Times are of a monotonic clock, so that a wrong clock deposes nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    failover_after: Duration,
    /// When the primary last answered, or the watch began.
    since: Duration,
    last_check: Duration,
    misses: u32,
}

impl Outage {
    /// Begins a watch at `now`. Without an answer the primary is out after `failover_after`.
    pub fn watch(failover_after: Duration, now: Duration) -> Self {
        Self { failover_after, since: now, last_check: now, misses: 0 }
    }

    /// The time between two checks of the primary.
    pub fn check_interval(&self) -> Duration {
        self.failover_after / MISSES
    }

    /// Takes the outcome of a check at `now`. When the watch itself stood still for longer than two intervals, it begins
    /// anew: whoever was stopped knows nothing about the primary.
    pub fn observe(&mut self, answered: bool, now: Duration) {
        let stood_still = now.saturating_sub(self.last_check) > self.check_interval() * 2;
        if answered || stood_still {
            *self = Self::watch(self.failover_after, now);
        } else {
            self.last_check = now;
            self.misses += 1;
        }
    }

    /// How long the primary has not answered at `now`; `None` when its last check was answered.
    pub fn lasts(&self, now: Duration) -> Option<Duration> {
        (self.misses > 0).then(|| now.saturating_sub(self.since))
    }

    /// How long it takes until the primary counts as lost, when enough checks have missed it and only the time is not over;
    /// `None` otherwise. Checks are never exactly a third apart: without another check then, the loss would be seen at the
    /// check after the next interval.
    pub fn rest(&self, now: Duration) -> Option<Duration> {
        let rest = self.failover_after.saturating_sub(now.saturating_sub(self.since));
        (self.misses >= MISSES && !rest.is_zero()).then_some(rest)
    }

    /// Whether the primary counts as lost at `now`.
    pub fn is_loss(&self, now: Duration) -> bool {
        self.misses >= MISSES && now.saturating_sub(self.since) >= self.failover_after
    }
}

/// A dependent that could take the primary's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: InstanceId,
    /// Its name.
    pub name: String,
    /// Its place in the order; lower comes first.
    pub order: i64,
    /// Whether the primary has reached it at its public endpoint.
    pub called_back: bool,
}

impl Candidate {
    fn rank(&self) -> (i64, InstanceId) {
        (self.order, self.id)
    }
}

/// What another dependent answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It did not answer.
    None,
    /// It sees the primary.
    SeesPrimary,
    /// It does not see the primary either.
    MissesPrimary,
}

/// What a dependent knows when it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Whether the primary is lost, see [`Outage::is_loss`].
    pub primary_lost: bool,
    /// This instance.
    pub own: Candidate,
    /// The other dependents, and what each answered.
    pub others: Vec<(Candidate, Answer)>,
    /// Whether a peer or another instance answered this one within the last interval: else it is cut off itself.
    pub has_connection: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Stay a dependent.
    Stay(Reason),
    /// Become the primary.
    Promote,
}

/// Why a dependent stays one. The words are for the log and the pages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The primary answered lately.
    #[error("the primary is reachable, or not away for long enough")]
    PrimaryNotLost,
    /// No other machine reaches this instance.
    #[error("no other instance can reach this one: its PUBLIC_URL was never called back")]
    NeverCalledBack,
    /// Nothing answers, so this instance is cut off itself.
    #[error("neither a peer nor another instance answers: this instance is cut off")]
    CutOff,
    /// Too few of the other dependents answer.
    #[error("only {reached} of {others} other dependents answer, and half of them are needed")]
    TooFew {
        /// How many answer.
        reached: usize,
        /// How many there are.
        others: usize,
    },
    /// Another dependent sees the primary.
    #[error("{0} sees the primary")]
    SeenBy(String),
    /// A dependent that comes first in the order can take the place.
    #[error("{0} comes first in the failover order")]
    IsBehind(String),
}

/// Whether a dependent becomes the primary. With one view, one dependent at most does.
pub fn decide(view: &View) -> Decision {
    match reason_to_stay(view) {
        Some(reason) => Decision::Stay(reason),
        None => Decision::Promote,
    }
}

fn reason_to_stay(view: &View) -> Option<Reason> {
    let View { primary_lost, own, others, has_connection } = view;
    if !primary_lost {
        return Some(Reason::PrimaryNotLost);
    }
    if !own.called_back {
        return Some(Reason::NeverCalledBack);
    }
    if !has_connection {
        return Some(Reason::CutOff);
    }
    if let Some((witness, _)) = others.iter().find(|(_, answer)| *answer == Answer::SeesPrimary) {
        return Some(Reason::SeenBy(witness.name.clone()));
    }
    let reached = others.iter().filter(|(_, answer)| *answer != Answer::None).count();
    if reached * 2 < others.len() {
        return Some(Reason::TooFew { reached, others: others.len() });
    }
    let first = others
        .iter()
        .filter(|(other, answer)| *answer != Answer::None && other.called_back && other.rank() < own.rank())
        .min_by_key(|(other, _)| other.rank());
    first.map(|(other, _)| Reason::IsBehind(other.name.clone()))
}

#[cfg(test)]
mod tests;
