//! One step: takes what changed, and tells what is due.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{
    compose::{Draft, compose, ends},
    condition::{Condition, Trouble, Want},
    facts::{Facts, Fresh, Seen},
    flush::{Next, Rhythm, due, of_rule},
    pace::{GAP, SECOND, UNKNOWN_HOLD, steady},
    subject::{Key, Subject},
};
use crate::{Change, Rule};

/// What is known and was told. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// What is wrong, was told, or flaps.
    pub conditions: BTreeMap<Key, Condition>,
    /// How often each rule told something lately.
    pub rhythms: BTreeMap<Uuid, Rhythm>,
    /// When the last step was; `None` before the first.
    pub planned_at: Option<i64>,
    /// Until when nothing is told, because the hub did not look for a while.
    pub calm_until: i64,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Conditions that are new or have changed.
    pub changed: Vec<Key>,
    /// Conditions that are over.
    pub removed: Vec<Key>,
    /// Those of the others of which it is no longer told that they are wrong: nobody has to acknowledge them any more.
    pub ended: Vec<Key>,
    /// What is told now.
    pub drafts: Vec<Draft>,
    /// When there is something to do next, if nothing changes.
    pub next_at: Option<i64>,
}

impl State {
    /// Whether the hub did not look for so long that what it knows may not be current.
    pub fn was_away(&self, now: i64) -> bool {
        self.planned_at.is_some_and(|at| now - at > GAP)
    }

    fn begin(&mut self, facts: &Facts<'_>, now: i64) {
        // A hub that looks for the first time and knows something was upgraded, or restored.
        let is_first = self.planned_at.is_none() && facts.counts.nodes > facts.counts.unknown;
        if self.was_away(now) || is_first {
            self.calm_until = now + facts.staleness;
            self.rhythms.clear();
        }
        self.planned_at = Some(now);
        let rules: HashMap<Uuid, &Rule> = facts.rules.iter().map(|(_, rule)| (rule.id, rule)).collect();
        self.conditions.retain(|key, _| rules.get(&key.rule).is_some_and(|rule| facts.concerns(rule, key.subject)));
        self.rhythms.retain(|id, _| rules.contains_key(id));
    }

    pub(super) fn observe(&mut self, rule: &Rule, change: &Fresh) {
        let key = Key { rule: rule.id, subject: change.subject };
        let condition = self.conditions.entry(key).or_insert_with(|| Condition::new(change.was, change.at));
        condition.observe(rule, change.subject, change.became, change.at);
    }

    /// Notices that most nodes became unknown, or are no longer.
    fn look_at_hub(&mut self, rule: &Rule, fresh: &[Fresh], facts: &Facts<'_>, now: i64) {
        if !rule.tells(Change::Unknown) && !rule.tells(Change::Probe) {
            return;
        }
        let is_lost = |change: &Fresh| matches!(change.subject, Subject::Node(_)) && change.became == Seen::Unknown;
        let is_known = self.conditions.contains_key(&Key { rule: rule.id, subject: Subject::Hub });
        if is_known || (facts.counts.is_blind() && fresh.iter().any(is_lost)) {
            let became = if facts.counts.is_blind() { Seen::Unknown } else { Seen::Up };
            self.observe(rule, &Fresh { at: now, subject: Subject::Hub, was: Seen::Up, became });
        }
    }

    fn pass_time(&mut self, rule: &Rule, facts: &Facts<'_>, now: i64, next: &mut Next) {
        let keys: Vec<Key> = of_rule(&self.conditions, rule.id).map(|(key, _)| *key).collect();
        for key in keys {
            let Some(condition) = self.conditions.get_mut(&key) else { continue };
            condition.pass_time(now);
            let is_unknown = condition.trouble == Some(Trouble::Unknown);
            let is_hidden = is_unknown && key.subject.node().is_some_and(|node| facts.cannot_know(node));
            condition.hide(is_hidden, now, facts.staleness.max(UNKNOWN_HOLD));
            condition.leave_behind(!facts.no_probe_checks() && !facts.counts.is_blind(), now);
            match condition.want(rule, steady(facts.check_interval)) {
                Some((Want::Forget, at)) if at <= now => condition.told = None,
                Some((Want::Forget, at)) => next.at(at),
                _ => {}
            }
            if let Some(at) = condition.changes_at() {
                next.at(at.max(now + SECOND));
            }
        }
    }
}

/// Takes `fresh`, the changes since the last step in their order, and tells what is due at `now`.
pub fn step(state: &mut State, fresh: &[Fresh], facts: &Facts<'_>, now: i64) -> Step {
    let before = state.conditions.clone();
    state.begin(facts, now);
    let (mut drafts, mut next) = (Vec::new(), Next::default());
    for (recipient, rule) in facts.rules {
        for change in fresh.iter().filter(|change| facts.concerns(rule, change.subject)) {
            state.observe(rule, change);
        }
        state.look_at_hub(rule, fresh, facts, now);
        state.look_at_levels(rule, facts, now, &mut next);
        state.pass_time(rule, facts, now, &mut next);
        let rhythm = state.rhythms.get(&rule.id).copied().unwrap_or_default();
        let due = due(rule, &state.conditions, rhythm, facts, state.calm_until, now, &mut next);
        let mut told = Vec::new();
        if !due.wants.is_empty() || !due.reminders.is_empty() {
            told = compose(*recipient, rule, due, facts, &mut state.conditions, now);
            if told.iter().any(|draft| !draft.ends_only) {
                state.rhythms.entry(rule.id).or_default().beat(now);
            }
            next.at(now + SECOND);
        }
        let over = ends(*recipient, rule, &before, &state.conditions, &told, now);
        drafts.extend(told.into_iter().chain(over));
    }
    state.conditions.retain(|_, condition| !condition.is_over());
    let mut step = Step { drafts, next_at: next.0, ..Step::default() };
    for (key, condition) in &state.conditions {
        let old = before.get(key);
        if old != Some(condition) {
            step.changed.push(*key);
        }
        if condition.told.is_none() && old.is_some_and(|old| old.told.is_some()) {
            step.ended.push(*key);
        }
    }
    step.removed = before.into_keys().filter(|key| !state.conditions.contains_key(key)).collect();
    step
}
