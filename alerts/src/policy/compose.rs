//! Makes messages of what is told together, and notes in the conditions what was told.

mod hub;
mod levels;
mod nodes;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use url::Url;
use uuid::Uuid;

use self::{hub::compose_hub, levels::compose_levels, nodes::compose_nodes};
use super::{
    condition::{Condition, Told, Trouble},
    facts::{Facts, Recipient},
    flush::{Due, of_rule, time},
    subject::{Key, Subject},
};
use crate::{Language, Message, NodeLine, Rule, Severity, Topic, words::Writer};

/// A message without its id and links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who is told.
    pub recipient: Recipient,
    /// The rule by which it is told.
    pub rule: Uuid,
    /// The conditions that it is about.
    pub keys: Vec<Key>,
    /// As in [`Message`].
    pub topic: Topic,
    /// As in [`Message`].
    pub severity: Severity,
    /// As in [`Message`].
    pub subject: String,
    /// As in [`Message`].
    pub title: String,
    /// As in [`Message`].
    pub lines: Vec<String>,
    /// As in [`Message`].
    pub nodes: Vec<NodeLine>,
    /// When the change happened, in milliseconds since 1970.
    pub at: i64,
    /// The language of the texts.
    pub language: Language,
    /// Whether it only ends what a service keeps open: people who read it would learn nothing that they need.
    pub ends_only: bool,
}

impl Draft {
    fn new(recipient: Recipient, rule: &Rule, topic: Topic, severity: Severity, keys: Vec<Key>, at: i64) -> Self {
        Self {
            recipient,
            rule: rule.id,
            keys,
            topic,
            severity,
            subject: String::new(),
            title: String::new(),
            lines: Vec::new(),
            nodes: Vec::new(),
            at,
            language: rule.language,
            ends_only: false,
        }
    }

    /// Whether it says that something is over.
    pub fn is_end(&self) -> bool {
        self.severity == Severity::Info
    }

    /// The message with this id. `url`: the page to look at.
    pub fn into_message(self, id: Uuid, url: Option<Url>) -> Message {
        let Self { topic, severity, subject, title, lines, nodes, at, language, .. } = self;
        Message {
            id,
            topic,
            severity,
            subject,
            title,
            lines,
            nodes,
            url,
            acknowledge: None,
            unsubscribe: None,
            at: time(at),
            language,
        }
    }
}

/// What was told by a rule before, and is over without a message that says so: the rule does not tell that, the node was removed,
/// or another message took its place. A service that keeps it open has to hear of it. `told`: what the rule
/// tells now.
pub(super) fn ends(
    recipient: Recipient,
    rule: &Rule,
    before: &BTreeMap<Key, Condition>,
    after: &BTreeMap<Key, Condition>,
    told: &[Draft],
    now: i64,
) -> Vec<Draft> {
    let open: BTreeSet<&str> = of_rule(after, rule.id).flat_map(|(_, one)| one.episodes()).collect();
    let ended: BTreeSet<&str> =
        told.iter().filter(|draft| draft.is_end()).map(|draft| draft.subject.as_str()).collect();
    let mut over: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
    for (key, one) in of_rule(before, rule.id) {
        for episode in one.episodes().filter(|episode| !open.contains(episode) && !ended.contains(episode)) {
            over.entry(episode).or_default().push(*key);
        }
    }
    let end = |(episode, keys): (&str, Vec<Key>)| Draft {
        subject: episode.to_owned(),
        title: rule.language.pick("It is over", "此事已结束").to_owned(),
        ends_only: true,
        ..Draft::new(recipient, rule, Topic::Recovery, Severity::Info, keys, now)
    };
    over.into_iter().map(end).collect()
}

/// What the messages of one rule are made of.
struct Composer<'a> {
    recipient: Recipient,
    rule: &'a Rule,
    facts: &'a Facts<'a>,
    conditions: &'a mut BTreeMap<Key, Condition>,
    now: i64,
    writer: Writer,
}

/// Makes messages of what a rule tells now.
pub(super) fn compose(
    recipient: Recipient,
    rule: &Rule,
    due: Due,
    facts: &Facts<'_>,
    conditions: &mut BTreeMap<Key, Condition>,
    now: i64,
) -> Vec<Draft> {
    let zone = rule.quiet.as_ref().map_or(Tz::UTC, |quiet| quiet.zone());
    let writer = Writer { language: rule.language, zone };
    let mut composer = Composer { recipient, rule, facts, conditions, now, writer };
    let (of_levels, others): (Vec<_>, _) = due.wants.into_iter().partition(|(key, _)| key.subject.is_level());
    let (of_nodes, of_hub) = others.into_iter().partition(|(key, _)| matches!(key.subject, Subject::Node(_)));
    let (old_levels, old_nodes) = due.reminders.into_iter().partition(|key| key.subject.is_level());
    let mut drafts = compose_nodes(&mut composer, of_nodes, old_nodes);
    drafts.extend(compose_levels(&mut composer, of_levels, old_levels));
    drafts.extend(compose_hub(&mut composer, of_hub));
    drafts
}

impl Composer<'_> {
    fn draft(&self, topic: Topic, severity: Severity, keys: Vec<Key>, at: i64) -> Draft {
        Draft::new(self.recipient, self.rule, topic, severity, keys, at)
    }

    /// What messages about the same trouble have in common: the subject where it is one, and else this message.
    fn episode(&self, keys: &[Key]) -> String {
        match keys {
            [key] => key.to_string(),
            keys => self.message(keys),
        }
    }

    /// Identifies a message among all: a subject is in one of the messages of a moment.
    fn message(&self, keys: &[Key]) -> String {
        keys.first().map_or_else(String::new, |first| format!("{first}/{}", self.now))
    }

    /// What a reminder has in common with what it reminds of: with the first of them, if they were told apart.
    fn reminded(&self, keys: &[Key]) -> Option<String> {
        Some(self.conditions.get(keys.first()?)?.told.as_ref()?.episode.clone())
    }

    fn tell_flapping(&mut self, draft: &Draft) {
        for key in &draft.keys {
            if let Some(condition) = self.conditions.get_mut(key) {
                (condition.told_flapping, condition.flapping_episode) = (true, Some(draft.subject.clone()));
            }
        }
    }

    fn tell(&mut self, key: &Key, trouble: Trouble, episode: &str, as_hub: bool) {
        let Some(condition) = self.conditions.get_mut(key) else { return };
        let since = condition.told.as_ref().map_or(condition.since, |told| told.since);
        condition.told = Some(Told { trouble, since, at: self.now, episode: episode.to_owned(), as_hub });
    }

    /// Forgets what was told about these, and returns what the message that says so has in common with a message before: an
    /// episode that ends for all that it was told about.
    fn end(&mut self, keys: &[Key]) -> String {
        let mut episodes = Vec::new();
        for key in keys {
            let told = self.conditions.get_mut(key).and_then(|condition| condition.told.take());
            episodes.extend(told.map(|told| told.episode));
        }
        episodes.into_iter().find(|episode| !self.is_open(episode)).unwrap_or_else(|| self.message(keys))
    }

    fn is_open(&self, episode: &str) -> bool {
        let mut of_rule = of_rule(self.conditions, self.rule.id);
        of_rule.any(|(_, condition)| condition.told.as_ref().is_some_and(|told| told.episode == episode))
    }
}
