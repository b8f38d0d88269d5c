//! What one rule knows about one node or probe.

use serde::{Deserialize, Serialize};

use super::{
    facts::Seen,
    pace::{BLIND_HOLD, FLAP_WINDOW, FLAPS, LEFT_BEHIND, MAX_FLIPS, SILENT_HOLD, STABLE, UNKNOWN_HOLD, VERSION_HOLD},
    subject::Subject,
};
use crate::{Change, Rule};

/// What is wrong; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// A node runs an old version.
    Outdated,
    /// The certificate of a node expires soon.
    Expiring,
    /// A node does not relay whose owner declares that it does.
    NotRelaying,
    /// Nothing current is known about a node, although probes run that check it.
    Unknown,
    /// Some regions see a node online, half of them or fewer.
    Partial,
    /// No region sees a node online.
    Down,
    /// No hub does a work.
    Idle,
    /// A probe does not report.
    Silent,
    /// The hub knows nothing current about most nodes.
    Blind,
}

/// What was told, and not yet that it is well again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What was told to be wrong.
    pub trouble: Trouble,
    /// Since when it was wrong, in milliseconds since 1970, as all times here.
    pub since: i64,
    /// When it was told, or when somebody was last reminded of it.
    pub at: i64,
    /// What messages about the same trouble have in common.
    pub episode: String,
    /// Whether it was told as a trouble of the hub, and not of this probe.
    #[serde(default)]
    pub as_hub: bool,
}

/// What one rule knows about one node or probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// How it is seen.
    pub seen: Seen,
    /// What is wrong with it, in the eyes of the rule.
    pub trouble: Option<Trouble>,
    /// Since when that is so.
    pub since: i64,
    /// What was told.
    pub told: Option<Told>,
    /// Whether it was last seen to be wrong, leaving out when nothing was known.
    #[serde(default)]
    pub was_wrong: bool,
    /// When it went from well to wrong or back, within the last hour.
    #[serde(default)]
    pub flips: Vec<i64>,
    /// Whether it flaps.
    #[serde(default)]
    pub flaps: bool,
    /// Whether that was told.
    #[serde(default)]
    pub told_flapping: bool,
    /// What the message about that has in common with its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping_episode: Option<String>,
    /// Whether the hub or its probes were why nothing was known about it when it was last looked at.
    #[serde(default)]
    pub was_hidden: bool,
    /// Until when it is not told, because the hub or its probes were the reason a moment ago.
    #[serde(default)]
    pub held_until: i64,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// It is wrong.
    Wrong(Trouble),
    /// It is well again.
    Well,
    /// It flaps.
    Flaps,
    /// It flaps no longer.
    Steady,
    /// It is well again, which the rule does not tell.
    Forget,
}

impl Condition {
    /// Nothing is wrong with it, and nothing was told.
    pub(super) fn new(seen: Seen, at: i64) -> Self {
        Self {
            seen,
            trouble: None,
            since: at,
            told: None,
            was_wrong: false,
            flips: Vec::new(),
            flaps: false,
            told_flapping: false,
            flapping_episode: None,
            was_hidden: false,
            held_until: 0,
        }
    }

    /// Takes a change.
    pub(super) fn observe(&mut self, rule: &Rule, subject: Subject, became: Seen, at: i64) {
        if self.seen == became {
            return;
        }
        self.seen = became;
        let trouble = self.trouble_of(rule, subject, became);
        if trouble != self.trouble || (became == Seen::Up && self.told.is_some()) {
            (self.trouble, self.since) = (trouble, at);
        }
        let is_wrong = match (became, trouble) {
            (Seen::Up, _) => false,
            (_, Some(Trouble::Unknown | Trouble::Blind) | None) => self.was_wrong,
            _ => true,
        };
        // What is looked at now and then has to last for a while, and so cannot flap.
        if is_wrong != self.was_wrong && !subject.is_level() {
            self.was_wrong = is_wrong;
            if self.flips.len() == MAX_FLIPS {
                self.flips.remove(0);
            }
            self.flips.push(at);
        }
    }

    /// What is wrong with a subject that is seen so, in the eyes of the rule.
    fn trouble_of(&self, rule: &Rule, subject: Subject, seen: Seen) -> Option<Trouble> {
        let told = self.told.as_ref().map(|told| told.trouble);
        match (subject, seen) {
            (_, Seen::Up) => None,
            (Subject::Hub, _) => Some(Trouble::Blind),
            (Subject::Certificate(_), _) => Some(Trouble::Expiring),
            (Subject::Version(_), _) => Some(Trouble::Outdated),
            (Subject::Relay(_), _) => Some(Trouble::NotRelaying),
            (Subject::Duty(_), _) => Some(Trouble::Idle),
            (Subject::Probe(_), Seen::Down) => rule.tells(Change::Probe).then_some(Trouble::Silent),
            (Subject::Probe(_), _) => None,
            (Subject::Node(_), Seen::Down) if rule.tells(Change::Down) => Some(Trouble::Down),
            (Subject::Node(_), Seen::Partial) if rule.tells(Change::Partial) => Some(Trouble::Partial),
            // It is neither up again nor something else that the rule tells.
            (Subject::Node(_), _) if told.is_some_and(|told| told > Trouble::Unknown) => self.trouble,
            (Subject::Node(_), Seen::Unknown) if rule.tells(Change::Unknown) => Some(Trouble::Unknown),
            (Subject::Node(_), _) => None,
        }
    }

    /// Forgets changes that are long ago, and finds out whether it flaps.
    pub(super) fn pass_time(&mut self, now: i64) {
        self.flips.retain(|at| now - at < FLAP_WINDOW);
        self.flaps = match self.flips.last() {
            Some(last) if self.flaps => now - last < STABLE,
            Some(last) => self.flips.len() >= FLAPS && now - last < STABLE,
            None => false,
        };
    }

    /// The hub or its probes are, or are no longer, why nothing is known about it. When probes work again it takes `while_checked`
    /// until they have checked everything.
    pub(super) fn hide(&mut self, is_hidden: bool, now: i64, while_checked: i64) {
        if self.was_hidden && !is_hidden && self.trouble == Some(Trouble::Unknown) {
            self.held_until = now + while_checked;
        }
        self.was_hidden = is_hidden;
    }

    /// A probe whose silence was told as a trouble of the hub is told as a silent probe when the hub has been well for a while.
    pub(super) fn leave_behind(&mut self, hub_is_well: bool, now: i64) {
        let is_part = self.trouble == Some(Trouble::Silent) && self.told.as_ref().is_some_and(|told| told.as_hub);
        match (is_part && hub_is_well, self.held_until) {
            (true, 0) => self.held_until = now + LEFT_BEHIND,
            (true, until) if until <= now => self.told = None,
            (true, _) => {}
            (false, _) if self.trouble != Some(Trouble::Unknown) => self.held_until = 0,
            (false, _) => {}
        }
    }

    /// What there is to tell, and from when on.
    pub(super) fn want(&self, rule: &Rule, steady: i64) -> Option<(Want, i64)> {
        let last_flip = self.flips.last().copied().unwrap_or(self.since);
        if self.flaps {
            return (!self.told_flapping).then_some((Want::Flaps, last_flip));
        }
        if self.told_flapping {
            return Some((Want::Steady, last_flip + STABLE));
        }
        let told = self.told.as_ref().map(|told| told.trouble);
        match (self.trouble, told) {
            (Some(trouble), told) if told != Some(trouble) => {
                let hold = match trouble {
                    Trouble::Unknown => UNKNOWN_HOLD,
                    Trouble::Outdated => VERSION_HOLD,
                    Trouble::Silent | Trouble::Idle => SILENT_HOLD,
                    Trouble::Blind => BLIND_HOLD,
                    Trouble::Partial | Trouble::Down | Trouble::Expiring | Trouble::NotRelaying => 0,
                };
                let held_until = if trouble == Trouble::Unknown { self.held_until } else { 0 };
                Some((Want::Wrong(trouble), held_until.max(self.since + rule.after().max(hold))))
            }
            (None, told @ Some(_)) if self.seen == Seen::Up => {
                let want = if rule.tells(Change::Up) { Want::Well } else { Want::Forget };
                let is_checked = !matches!(told, Some(Trouble::Outdated | Trouble::Expiring | Trouble::NotRelaying));
                Some((want, self.since + if is_checked { steady } else { VERSION_HOLD }))
            }
            _ => None,
        }
    }

    /// What messages about it that are not over have in common with their ends.
    pub(super) fn episodes(&self) -> impl Iterator<Item = &str> {
        let flapping = self.flapping_episode.as_deref().filter(|_| self.told_flapping);
        self.told.iter().map(|told| told.episode.as_str()).chain(flapping)
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_over(&self) -> bool {
        self.trouble.is_none() && self.told.is_none() && self.flips.is_empty() && !self.flaps && !self.told_flapping
    }

    /// When it changes by itself next: an old change is forgotten, or it flaps no longer.
    pub(super) fn changes_at(&self) -> Option<i64> {
        let forgets = self.flips.first().map(|first| first + FLAP_WINDOW);
        let calms = self.flips.last().filter(|_| self.flaps).map(|last| last + STABLE);
        let leaves = Some(self.held_until).filter(|until| *until > 0 && self.trouble == Some(Trouble::Silent));
        [forgets, calms, leaves].into_iter().flatten().min()
    }
}
