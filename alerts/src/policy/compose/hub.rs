//! Messages about probes, and about the hub itself.

use super::{Composer, Draft};
use crate::{
    Change, Message, Severity, Topic,
    policy::{
        condition::{Trouble, Want},
        facts::ProbeFacts,
        pace::LONG_BLINDNESS,
        subject::{Key, Subject},
    },
};

/// Messages about probes that are silent or report again, or one about the hub: when no probe can check anything, or most nodes are
/// unknown, it is more likely the hub than each of them.
pub(super) fn compose_hub(composer: &mut Composer<'_>, wants: Vec<(Key, Want)>) -> Vec<Draft> {
    let (mut silent, mut well, mut flapping, mut is_blind) = (Vec::new(), Vec::new(), Vec::new(), false);
    for (key, want) in wants {
        let trouble = composer.conditions.get(&key).and_then(|condition| condition.trouble);
        match (want, trouble) {
            (Want::Wrong(trouble), _) => {
                is_blind |= trouble == Trouble::Blind;
                silent.push((key, trouble));
            }
            (Want::Steady, Some(trouble)) => silent.push((key, trouble)),
            (Want::Steady, None) if !composer.rule.tells(Change::Up) => {}
            (Want::Well | Want::Steady, _) => well.push(key),
            (Want::Flaps, _) => flapping.push(key),
            (Want::Forget, _) => {}
        }
        if want == Want::Steady {
            composer.forget_flapping(&key);
        }
    }
    is_blind |= composer.facts.probes.len() > 1 && composer.facts.no_probe_checks();
    let wrong = match silent.as_slice() {
        [] => None,
        silent if composer.is_told_as_hub() => {
            for (key, trouble) in silent {
                composer.tell(key, *trouble, &composer.hub_episode(), true);
            }
            None
        }
        silent if is_blind => composer.hub(silent),
        silent => composer.silent(silent),
    };
    wrong.into_iter().chain(composer.back(well)).chain(composer.come_and_go(flapping)).collect()
}

impl Composer<'_> {
    fn hub_episode(&self) -> String {
        Key { rule: self.rule.id, subject: Subject::Hub }.to_string()
    }

    /// Whether a trouble of the hub was told and goes on.
    fn is_told_as_hub(&self) -> bool {
        let mut all = self.conditions.iter().filter(|(key, _)| key.rule == self.rule.id);
        all.any(|(_, one)| one.trouble.is_some() && one.told.as_ref().is_some_and(|told| told.as_hub))
    }

    fn hub(&mut self, silent: &[(Key, Trouble)]) -> Option<Draft> {
        let at = silent.iter().filter_map(|(key, _)| Some(self.conditions.get(key)?.since)).min()?;
        let mut draft = self.draft(Topic::Hub, Severity::Warning, silent.iter().map(|(key, _)| *key).collect(), at);
        draft.title = self.writer.hub_blind();
        draft.lines = vec![self.writer.since(at), self.writer.hub_blind_line()];
        draft.subject = self.hub_episode();
        for (key, trouble) in silent {
            self.tell(key, *trouble, &draft.subject, true);
        }
        Some(draft)
    }

    fn silent(&mut self, silent: &[(Key, Trouble)]) -> Option<Draft> {
        let at = silent.iter().filter_map(|(key, _)| Some(self.conditions.get(key)?.since)).min()?;
        let keys: Vec<Key> = silent.iter().map(|(key, _)| *key).collect();
        let mut draft = self.draft(Topic::Probe, Severity::Warning, keys, at);
        let probes: Vec<&ProbeFacts> = draft.keys.iter().filter_map(|key| self.probe(key)).collect();
        let first = probes.first()?;
        let region = probes.iter().all(|probe| probe.region == first.region).then_some(first.region.as_str());
        draft.title = self.writer.probes_silent(probes.len(), &first.name, region);
        draft.lines = match draft.keys.as_slice() {
            [_] => vec![self.writer.since(at)],
            keys => keys.iter().take(Message::MAX_NODES).filter_map(|key| self.probe_line(key)).collect(),
        };
        let rest = draft.keys.len().saturating_sub(Message::MAX_NODES);
        if rest > 0 {
            draft.lines.push(self.writer.more(rest));
        }
        draft.subject = self.episode(&draft.keys);
        for (key, trouble) in silent {
            self.tell(key, *trouble, &draft.subject, false);
        }
        Some(draft)
    }

    /// What is well again. That the hub sees again is told to people when it did not for long: a message about it was perhaps sent
    /// only now, because the hub was cut off. A service that keeps it open is told in any case.
    fn back(&mut self, well: Vec<Key>) -> Vec<Draft> {
        let told = |key: &Key| self.conditions.get(key).and_then(|one| Some((one.since, one.told.clone()?)));
        let is_hub = |key: &Key| told(key).is_some_and(|(_, told)| told.as_hub);
        let (of_hub, probes): (Vec<Key>, Vec<Key>) = well.into_iter().partition(is_hub);
        let mut drafts = Vec::new();
        if let Some(at) = of_hub.iter().filter_map(told).map(|(since, _)| since).min() {
            let since = of_hub.iter().filter_map(told).map(|(_, told)| told.since).min().unwrap_or(at);
            self.end(&of_hub);
            if !self.is_part_left(since) {
                let mut draft = self.draft(Topic::Hub, Severity::Info, of_hub, at);
                (draft.title, draft.subject) = (self.writer.hub_sees(), self.hub_episode());
                draft.ends_only = at - since <= LONG_BLINDNESS;
                drafts.push(draft);
            }
        }
        if let Some(at) = probes.iter().filter_map(|key| Some(self.conditions.get(key)?.since)).min() {
            let mut draft = self.draft(Topic::Recovery, Severity::Info, probes, at);
            let first = draft.keys.first().and_then(|key| self.probe(key)).map_or("", |probe| &probe.name);
            draft.title = self.writer.probes_back(draft.keys.len(), first);
            draft.subject = self.end(&draft.keys);
            drafts.push(draft);
        }
        drafts
    }

    /// Whether a part of the trouble of the hub goes on, which began at `since`: then the last part knows how long it was.
    fn is_part_left(&mut self, since: i64) -> bool {
        let of_rule = self.conditions.iter_mut().filter(|(key, _)| key.rule == self.rule.id);
        let mut left = false;
        for told in of_rule.filter_map(|(_, one)| one.told.as_mut()).filter(|told| told.as_hub) {
            told.since = told.since.min(since);
            left = true;
        }
        left
    }

    /// Probes that come and go.
    fn come_and_go(&mut self, keys: Vec<Key>) -> Option<Draft> {
        let at = keys.iter().filter_map(|key| self.conditions.get(key)?.flips.last().copied()).min()?;
        let mut draft = self.draft(Topic::Flapping, Severity::Warning, keys, at);
        let first = draft.keys.first().and_then(|key| self.probe(key)).map_or("", |probe| &probe.name);
        draft.title = self.writer.probes_come_and_go(draft.keys.len(), first);
        draft.lines.push(self.writer.quiet_while_flapping());
        draft.subject = self.episode(&draft.keys);
        self.tell_flapping(&draft);
        Some(draft)
    }

    fn probe(&self, key: &Key) -> Option<&ProbeFacts> {
        let Subject::Probe(id) = key.subject else { return None };
        self.facts.probes.get(&id)
    }

    fn probe_line(&self, key: &Key) -> Option<String> {
        let (probe, condition) = (self.probe(key)?, self.conditions.get(key)?);
        Some(self.writer.probe_line(&probe.name, &probe.region, condition.since))
    }
}
