//! When a rule tells what there is to tell.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    condition::{Condition, Trouble, Want},
    facts::Facts,
    pace::{CALM, LOOK_AGAIN, MAX_GROUP, SECOND, steady},
    subject::{Key, Subject},
};
use crate::Rule;

/// How often a rule told something lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rhythm {
    /// When it last told something.
    pub at: i64,
    /// How many times before that, each soon after the other.
    pub burst: u32,
}

impl Rhythm {
    /// It tells something.
    pub(super) fn beat(&mut self, now: i64) {
        self.burst = if now - self.at < CALM { self.burst.saturating_add(1) } else { 0 };
        self.at = now;
    }

    /// When it may tell something again.
    fn next(self, group: i64) -> i64 {
        self.at + group.saturating_mul(1 << self.burst.min(20)).min(MAX_GROUP)
    }
}

/// The earliest of several times.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Next(pub Option<i64>);

impl Next {
    pub(super) fn at(&mut self, at: i64) {
        self.0 = Some(self.0.map_or(at, |next| next.min(at)));
    }
}

/// What a rule tells now.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub wants: Vec<(Key, Want)>,
    pub reminders: Vec<Key>,
}

/// The conditions of one rule.
pub(super) fn of_rule(conditions: &BTreeMap<Key, Condition>, rule: Uuid) -> impl Iterator<Item = (&Key, &Condition)> {
    let from = Key { rule, subject: Subject::Node(i64::MIN) };
    conditions.range(from..).take_while(move |(key, _)| key.rule == rule)
}

/// What a rule tells now; nothing when it waits for something. `next`: when to look again.
pub(super) fn due(
    rule: &Rule,
    conditions: &BTreeMap<Key, Condition>,
    rhythm: Rhythm,
    facts: &Facts<'_>,
    calm_until: i64,
    now: i64,
    next: &mut Next,
) -> Due {
    let steady = steady(facts.check_interval);
    let (mut due, mut soon, mut first) = (Due::default(), Vec::new(), None::<i64>);
    let mut reminder = None::<i64>;
    for (key, condition) in of_rule(conditions, rule.id) {
        let want = condition.want(rule, steady);
        let reminds_at = reminds_at(rule, key, condition, facts);
        if (want.is_some() || reminds_at.is_some()) && facts.is_muted(key) {
            next.at(now + LOOK_AGAIN);
            continue;
        }
        match (want, key.subject) {
            (Some((Want::Wrong(Trouble::Unknown), _)), Subject::Node(node)) if facts.cannot_know(node) => {
                next.at(now + LOOK_AGAIN);
            }
            (Some((want, at)), _) if at > now => {
                next.at(at);
                soon.push((*key, want));
            }
            (Some((want, at)), _) => {
                first = Some(first.map_or(at, |first| first.min(at)));
                due.wants.push((*key, want));
            }
            (None, _) => {}
        }
        if let Some(at) = reminds_at {
            next.at(at.max(now + SECOND));
            if at <= now {
                reminder = Some(reminder.map_or(at, |reminder| reminder.min(at)));
                due.reminders.push(*key);
            }
        }
    }
    let Some(first) = [first, reminder].into_iter().flatten().min() else { return Due::default() };
    let is_quiet = rule.quiet.as_ref().is_some_and(|quiet| quiet.contains(time(now)));
    if now < calm_until || is_quiet {
        next.at(if is_quiet { now + LOOK_AGAIN } else { calm_until });
        return Due::default();
    }
    let group = i64::from(rule.group_seconds) * SECOND;
    let opens_at = (first + group).max(rhythm.next(group));
    if now < opens_at {
        next.at(opens_at);
        return Due::default();
    }
    // What else ended with a probe is noticed a little later.
    let is_of_hub = |want: &Want| matches!(want, Want::Wrong(Trouble::Silent | Trouble::Blind));
    if due.wants.iter().any(|(_, want)| is_of_hub(want)) {
        due.wants.extend(soon.into_iter().filter(|(key, want)| is_of_hub(want) && !facts.is_muted(key)));
        due.wants.sort_by_key(|(key, _)| *key);
    }
    due
}

/// When somebody is to be reminded of something. Nobody is of probes and the hub.
fn reminds_at(rule: &Rule, key: &Key, condition: &Condition, facts: &Facts<'_>) -> Option<i64> {
    let every =
        i64::from(rule.reminder_seconds.filter(|_| !matches!(key.subject, Subject::Probe(_) | Subject::Hub))?) * SECOND;
    let told = condition.told.as_ref()?;
    let holds = condition.trouble == Some(told.trouble) && !condition.flaps && !facts.acknowledged.contains(key);
    holds.then_some(told.at + every)
}

pub(super) fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
