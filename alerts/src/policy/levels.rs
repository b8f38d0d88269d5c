//! Looks at what nothing notes when it changes: certificates, versions, relaying, work of hubs.

use std::collections::BTreeSet;

use super::{
    facts::{Facts, Fresh, Seen},
    flush::{Next, of_rule},
    pace::DAY,
    step::State,
    subject::{Key, Subject},
};
use crate::{Change, NodeVersion, Rule};

impl State {
    /// Notices what is wrong now, and what is no longer.
    pub(super) fn look_at_levels(&mut self, rule: &Rule, facts: &Facts<'_>, now: i64, next: &mut Next) {
        let wrong: BTreeSet<Subject> =
            wrong(rule, facts, now, next).into_iter().filter(|subject| facts.concerns(rule, *subject)).collect();
        let known = of_rule(&self.conditions, rule.id).map(|(key, _)| key.subject).filter(|one| one.is_level());
        let known: BTreeSet<Subject> = known.collect();
        for subject in known.iter().copied().filter(|subject| !tells(rule, *subject)) {
            self.conditions.remove(&Key { rule: rule.id, subject });
        }
        for subject in known.union(&wrong).copied().filter(|subject| tells(rule, *subject)) {
            let became = if wrong.contains(&subject) { Seen::Down } else { Seen::Up };
            self.observe(rule, &Fresh { at: now, subject, was: Seen::Up, became });
        }
    }
}

/// What is wrong now in the eyes of a rule. `next`: when something else will be.
fn wrong(rule: &Rule, facts: &Facts<'_>, now: i64, next: &mut Next) -> Vec<Subject> {
    let mut wrong = Vec::new();
    if rule.tells(Change::Certificate) {
        for (id, expires_at) in &facts.levels.certificates {
            let told_from = expires_at.saturating_sub(i64::from(rule.certificate_days) * DAY);
            if told_from <= now {
                wrong.push(Subject::Certificate(*id));
            } else {
                next.at(told_from);
            }
        }
    }
    if let Some(below) = rule.version_below.filter(|_| rule.tells(Change::Version)) {
        let is_old = |text: &str| NodeVersion::reported(text).is_some_and(|version| version < below);
        let old = facts.levels.versions.iter().filter(|(_, version)| is_old(version));
        wrong.extend(old.map(|(id, _)| Subject::Version(*id)));
    }
    if rule.tells(Change::Relay) {
        wrong.extend(facts.levels.relays.keys().map(|id| Subject::Relay(*id)));
    }
    if rule.tells(Change::Duty) {
        wrong.extend(facts.levels.idle.iter().map(|duty| Subject::Duty(*duty)));
    }
    wrong
}

/// Whether the rule is about such a thing. It may have been before.
fn tells(rule: &Rule, subject: Subject) -> bool {
    match subject {
        Subject::Certificate(_) => rule.tells(Change::Certificate),
        Subject::Version(_) => rule.tells(Change::Version),
        Subject::Relay(_) => rule.tells(Change::Relay),
        Subject::Duty(_) => rule.tells(Change::Duty),
        Subject::Node(_) | Subject::Probe(_) | Subject::Hub => true,
    }
}
