//! Messages about nodes.

use super::{Composer, Draft};
use crate::{
    Change, Message, NodeLine, Severity, Topic,
    cause::{Cause, Place, common, mostly},
    policy::{
        condition::{Trouble, Want},
        facts::Seen,
        subject::Key,
    },
    words::Standing,
};

/// One node of a message.
struct Line {
    key: Key,
    standing: Standing,
    since: i64,
    is_steady: bool,
}

/// Messages about nodes that are wrong, well again, or flap, and reminders.
pub(super) fn compose_nodes(composer: &mut Composer<'_>, wants: Vec<(Key, Want)>, reminders: Vec<Key>) -> Vec<Draft> {
    let (mut wrong, mut well, mut flapping) = (Vec::new(), Vec::new(), Vec::new());
    for (key, want) in wants {
        let Some(condition) = composer.conditions.get(&key) else { continue };
        let since = condition.since;
        let line = |standing, is_steady| Line { key, standing, since, is_steady };
        match want {
            Want::Wrong(trouble) => wrong.push(line(standing(trouble), false)),
            Want::Well => well.push(line(Standing::Up, false)),
            Want::Flaps => flapping.push(key),
            Want::Steady => match condition.trouble {
                Some(trouble) => wrong.push(line(standing(trouble), true)),
                None if condition.seen == Seen::Up && composer.rule.tells(Change::Up) => {
                    well.push(line(Standing::Up, true));
                }
                None => composer.forget_flapping(&key),
            },
            Want::Forget => {}
        }
    }
    [composer.wrong(&wrong), composer.well(&well), composer.flapping(flapping), composer.reminder(reminders)]
        .into_iter()
        .flatten()
        .collect()
}

fn standing(trouble: Trouble) -> Standing {
    match trouble {
        Trouble::Partial => Standing::Partial,
        Trouble::Unknown => Standing::Unknown,
        _ => Standing::Down,
    }
}

fn trouble(standing: Standing) -> Trouble {
    match standing {
        Standing::Partial => Trouble::Partial,
        Standing::Unknown => Trouble::Unknown,
        Standing::Down | Standing::Up => Trouble::Down,
    }
}

impl Composer<'_> {
    fn wrong(&mut self, lines: &[Line]) -> Option<Draft> {
        let worst = lines.iter().map(|line| line.standing).max()?;
        let is_mixed = lines.iter().any(|line| line.standing != worst);
        let keys: Vec<Key> = lines.iter().map(|line| line.key).collect();
        let at = lines.iter().map(|line| line.since).min()?;
        let mut draft = self.draft(Topic::Outage, severity(worst), keys, at);
        draft.title = match lines {
            [one] => self.writer.one_wrong(self.name(&one.key), one.standing),
            _ => self.writer.several_wrong(lines.len(), worst, is_mixed, self.common(lines).as_ref()),
        };
        draft.lines.push(self.writer.since(at));
        if let Some((count, shared)) = mostly(&self.places(lines).iter().collect::<Vec<_>>()) {
            draft.lines.push(self.writer.mostly(count, &shared));
        }
        draft.subject = self.episode(&draft.keys);
        self.list(&mut draft, lines);
        for line in lines {
            self.forget_flapping(&line.key);
            self.tell(&line.key, trouble(line.standing), &draft.subject, false);
        }
        Some(draft)
    }

    fn well(&mut self, lines: &[Line]) -> Option<Draft> {
        let at = lines.iter().map(|line| line.since).min()?;
        let keys: Vec<Key> = lines.iter().map(|line| line.key).collect();
        let mut draft = self.draft(Topic::Recovery, Severity::Info, keys, at);
        draft.title = match lines {
            [one] => self.writer.one_well(self.name(&one.key)),
            _ => self.writer.several_well(lines.len(), self.common(lines).as_ref()),
        };
        if let [one] = lines
            && let Some(told) = self.conditions.get(&one.key).and_then(|condition| condition.told.as_ref())
        {
            draft.lines.push(self.writer.lasted(one.since - told.since));
        }
        self.list(&mut draft, lines);
        let of_one = if let [one] = lines { Some(one.key.to_string()) } else { None };
        let was_told = lines.iter().any(|line| self.conditions.get(&line.key).is_some_and(|one| one.told.is_some()));
        let episode = self.end(&draft.keys);
        draft.subject = of_one.filter(|_| !was_told).unwrap_or(episode);
        for line in lines {
            self.forget_flapping(&line.key);
        }
        Some(draft)
    }

    fn flapping(&mut self, keys: Vec<Key>) -> Option<Draft> {
        let flips = |key: &Key| self.conditions.get(key).map_or(0, |condition| condition.flips.len());
        let at = keys.iter().filter_map(|key| self.conditions.get(key)?.flips.last().copied()).min()?;
        let mut draft = self.draft(Topic::Flapping, Severity::Warning, keys, at);
        let first = draft.keys.first()?;
        draft.title = self.writer.flapping(draft.keys.len(), self.name(first), flips(first));
        draft.lines.push(self.writer.quiet_while_flapping());
        draft.nodes = draft
            .keys
            .iter()
            .take(Message::MAX_NODES)
            .map(|key| self.node_line(key, self.writer.changes(flips(key))))
            .collect();
        self.add_rest(&mut draft);
        draft.subject = self.episode(&draft.keys);
        self.tell_flapping(&draft);
        Some(draft)
    }

    fn reminder(&mut self, keys: Vec<Key>) -> Option<Draft> {
        let line = |key: &Key| {
            let told = self.conditions.get(key)?.told.as_ref()?;
            Some(Line { key: *key, standing: standing(told.trouble), since: told.since, is_steady: false })
        };
        let lines: Vec<Line> = keys.iter().filter_map(line).collect();
        let (at, worst) = (lines.iter().map(|line| line.since).min()?, lines.iter().map(|line| line.standing).max()?);
        let keys: Vec<Key> = lines.iter().map(|line| line.key).collect();
        let mut draft = self.draft(Topic::Reminder, severity(worst), keys, at);
        draft.title = self.writer.still_wrong(lines.len(), self.name(&lines.first()?.key));
        draft.subject = self.reminded(&draft.keys)?;
        self.list(&mut draft, &lines);
        for key in &draft.keys {
            if let Some(told) = self.conditions.get_mut(key).and_then(|condition| condition.told.as_mut()) {
                told.at = self.now;
            }
        }
        Some(draft)
    }

    /// It does not flap any more, or what it does now is told.
    pub(super) fn forget_flapping(&mut self, key: &Key) {
        if let Some(condition) = self.conditions.get_mut(key)
            && condition.told_flapping
        {
            (condition.told_flapping, condition.flapping_episode) = (false, None);
            condition.flips.clear();
        }
    }

    fn list(&self, draft: &mut Draft, lines: &[Line]) {
        let line =
            |line: &Line| self.node_line(&line.key, self.writer.state(line.standing, line.since, line.is_steady));
        draft.nodes = lines.iter().take(Message::MAX_NODES).map(line).collect();
        self.add_rest(draft);
    }

    pub(super) fn add_rest(&self, draft: &mut Draft) {
        let rest = draft.keys.len().saturating_sub(Message::MAX_NODES);
        if rest > 0 {
            draft.lines.push(self.writer.more(rest));
        }
    }

    pub(super) fn node_line(&self, key: &Key, what: String) -> NodeLine {
        NodeLine { id: key.subject.node().unwrap_or(0), name: self.name(key).to_owned(), what }
    }

    pub(super) fn name(&self, key: &Key) -> &str {
        key.subject.node().and_then(|id| self.facts.nodes.get(&id)).map_or("", |node| node.name.as_str())
    }

    fn common(&self, lines: &[Line]) -> Option<Cause> {
        common(&self.places(lines).iter().collect::<Vec<_>>())
    }

    fn places(&self, lines: &[Line]) -> Vec<Place> {
        let node = |line: &Line| self.facts.nodes.get(&line.key.subject.node()?);
        lines.iter().filter_map(node).map(|node| self.facts.place_of(node)).collect()
    }
}

fn severity(worst: Standing) -> Severity {
    if worst == Standing::Down { Severity::Critical } else { Severity::Warning }
}
