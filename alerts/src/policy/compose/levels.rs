//! Messages about certificates, versions, relaying, and work of hubs.

use super::{Composer, Draft};
use crate::{
    Message, NodeLine, Severity, Topic,
    policy::{
        condition::{Trouble, Want},
        subject::{Key, Subject},
    },
    words::Level,
};

/// Messages about what is wrong or well again, and reminders; those about certificates, versions, relaying and work are apart.
pub(super) fn compose_levels(composer: &mut Composer<'_>, wants: Vec<(Key, Want)>, reminders: Vec<Key>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for trouble in [Trouble::Expiring, Trouble::Outdated, Trouble::NotRelaying, Trouble::Idle] {
        let is_one = |key: &&Key| trouble_of(key.subject) == trouble;
        let told = |is: fn(Want) -> bool| wants.iter().filter(move |(_, want)| is(*want)).map(|(key, _)| key);
        let wrong: Vec<Key> = told(|want| matches!(want, Want::Wrong(_))).filter(is_one).copied().collect();
        let well: Vec<Key> = told(|want| want == Want::Well).filter(is_one).copied().collect();
        let old: Vec<Key> = reminders.iter().filter(is_one).copied().collect();
        drafts.extend(composer.level_wrong(trouble, wrong));
        drafts.extend(composer.level_well(trouble, well));
        drafts.extend(composer.level_still(trouble, old));
    }
    drafts
}

fn trouble_of(subject: Subject) -> Trouble {
    match subject {
        Subject::Certificate(_) => Trouble::Expiring,
        Subject::Version(_) => Trouble::Outdated,
        Subject::Relay(_) => Trouble::NotRelaying,
        _ => Trouble::Idle,
    }
}

impl Composer<'_> {
    fn level_wrong(&mut self, trouble: Trouble, keys: Vec<Key>) -> Option<Draft> {
        let mut draft = self.level_draft(trouble, topic(trouble), keys)?;
        draft.subject = self.episode(&draft.keys);
        for key in &draft.keys {
            self.tell(key, trouble, &draft.subject, false);
        }
        Some(draft)
    }

    /// A reminder is the same message once more, with how things are now.
    fn level_still(&mut self, trouble: Trouble, keys: Vec<Key>) -> Option<Draft> {
        let mut draft = self.level_draft(trouble, Topic::Reminder, keys)?;
        draft.subject = self.reminded(&draft.keys)?;
        for key in &draft.keys {
            if let Some(told) = self.conditions.get_mut(key).and_then(|condition| condition.told.as_mut()) {
                told.at = self.now;
            }
        }
        Some(draft)
    }

    fn level_well(&mut self, trouble: Trouble, keys: Vec<Key>) -> Option<Draft> {
        let at = keys.iter().filter_map(|key| Some(self.conditions.get(key)?.since)).min()?;
        let mut draft = self.draft(Topic::Recovery, Severity::Info, keys, at);
        let first = *draft.keys.first()?;
        let count = draft.keys.len();
        draft.title = match trouble {
            Trouble::Expiring => self.writer.certificates_well(count, self.name(&first)),
            Trouble::Outdated => self.writer.versions_well(count, self.name(&first)),
            Trouble::NotRelaying => self.writer.relays_well(count, self.name(&first)),
            _ => self.writer.duties_well(&duties(&draft.keys)),
        };
        if count > 1 && trouble != Trouble::Idle {
            let named = draft.keys.iter().take(Message::MAX_NODES);
            draft.nodes = named.map(|key| self.node_line(key, self.writer.level_well())).collect();
            self.add_rest(&mut draft);
        }
        draft.subject = self.end(&draft.keys);
        Some(draft)
    }

    /// A message that says what is wrong.
    fn level_draft(&self, trouble: Trouble, topic: Topic, keys: Vec<Key>) -> Option<Draft> {
        let at = keys.iter().filter_map(|key| Some(self.conditions.get(key)?.since)).min()?;
        let first = *keys.first()?;
        let mut draft = self.draft(topic, Severity::Warning, keys, at);
        let level = self.level(&first);
        draft.title = match (draft.keys.len(), level) {
            (1, Some(level)) => self.writer.one_level(self.name(&first), level, self.now),
            (count, _) if trouble == Trouble::Expiring => self.writer.certificates_expire(count),
            (count, _) if trouble == Trouble::Outdated => self.writer.versions_old(count, self.rule.version_below),
            (count, _) if trouble == Trouble::NotRelaying => self.writer.relays_do_not(count),
            _ => self.writer.duties_idle(&duties(&draft.keys)),
        };
        match trouble {
            Trouble::Idle => draft.lines.push(self.writer.since(at)),
            _ => draft.nodes = draft.keys.iter().take(Message::MAX_NODES).map(|key| self.level_line(key)).collect(),
        }
        self.add_rest(&mut draft);
        Some(draft)
    }

    fn level_line(&self, key: &Key) -> NodeLine {
        let what = self.level(key).map_or_else(String::new, |level| self.writer.level(level, self.now));
        self.node_line(key, what)
    }

    /// What is wrong with a node; `None` when that is not known any more, and for work.
    fn level(&self, key: &Key) -> Option<Level<'_>> {
        let levels = self.facts.levels;
        match key.subject {
            Subject::Certificate(id) => levels.certificates.get(&id).map(|at| Level::Certificate(*at)),
            Subject::Version(id) => {
                levels.versions.get(&id).map(|version| Level::Version(version, self.rule.version_below))
            }
            Subject::Relay(id) => levels.relays.get(&id).map(|refuses| Level::Relay { refuses: *refuses }),
            _ => None,
        }
    }
}

fn topic(trouble: Trouble) -> Topic {
    match trouble {
        Trouble::Expiring => Topic::Certificate,
        Trouble::Outdated => Topic::Version,
        Trouble::NotRelaying => Topic::Relay,
        _ => Topic::Hub,
    }
}

fn duties(keys: &[Key]) -> Vec<crate::policy::Duty> {
    let duty = |key: &Key| if let Subject::Duty(duty) = key.subject { Some(duty) } else { None };
    keys.iter().filter_map(duty).collect()
}
