//! What alerts and mutes are about, in words.

use std::collections::BTreeMap;

use easytier_uptime_alerts::policy::{Key, Subject};
use maud::{Markup, html};
use uuid::Uuid;

use crate::{pages::language::Language, service::alerts::ChannelView};

/// The names of nodes, probes and rules.
pub struct Names {
    language: Language,
    subjects: BTreeMap<Subject, String>,
    channels: Vec<ChannelView>,
}

impl Names {
    pub fn new(language: Language, subjects: BTreeMap<Subject, String>, channels: Vec<ChannelView>) -> Self {
        Self { language, subjects, channels }
    }

    /// All rules: id, channel, words.
    pub fn rules(&self) -> impl Iterator<Item = (Uuid, String)> + '_ {
        self.channels
            .iter()
            .flat_map(|channel| channel.rules.iter().map(|rule| (rule.rule.id, self.rule(rule.rule.id))))
    }

    /// The channel of a rule, with the place of the rule there if it has several.
    pub fn rule(&self, id: Uuid) -> String {
        let place = |channel: &ChannelView| channel.rules.iter().position(|rule| rule.rule.id == id);
        let found = self.channels.iter().find_map(|channel| Some((channel, place(channel)?)));
        match found {
            Some((channel, _)) if channel.rules.len() == 1 => channel.name.clone(),
            Some((channel, nth)) => format!("{} · {}", channel.name, self.language.nth_rule(nth + 1)),
            None => self.language.alerts().removed_channel.to_owned(),
        }
    }

    /// The page of the channel of a rule.
    pub fn link_to_rule(&self, id: Uuid) -> Markup {
        let channel = self.channels.iter().find(|channel| channel.rules.iter().any(|rule| rule.rule.id == id));
        html! {
            @match channel {
                Some(channel) => { a href=(format!("/admin/channels/{}", channel.id)) { (self.rule(id)) } },
                None => (self.rule(id)),
            }
        }
    }

    /// The name of a node, a probe or the hub; that of a node leads to its page.
    pub fn subject(&self, subject: Subject) -> Markup {
        let named = subject.node().map_or(subject, Subject::Node);
        let name = self.subjects.get(&named).filter(|name| !name.is_empty());
        let name = name.cloned().unwrap_or_else(|| self.language.subject(subject));
        html! {
            @match subject {
                Subject::Node(id) | Subject::Certificate(id) | Subject::Version(id) | Subject::Relay(id) => { a href=(format!("/nodes/{id}")) { (name) } },
                Subject::Probe(_) => { (self.language.texts().probe) " " (name) },
                Subject::Duty(_) | Subject::Hub => (name),
            }
        }
    }

    /// What a mute is about.
    pub fn scope(&self, scope: &str) -> Markup {
        let rule = scope.strip_prefix("rule:").and_then(|id| id.parse().ok());
        html! {
            @if scope == "all" { (self.language.alerts().everything) }
            @else if let Some(rule) = rule { (self.language.alerts().rule) " " (self.link_to_rule(rule)) }
            @else if let Ok(subject) = scope.parse::<Subject>() { (self.subject(subject)) }
            @else if let Ok(Key { rule, subject }) = scope.parse() { (self.subject(subject)) " · " (self.link_to_rule(rule)) }
            @else { (scope) }
        }
    }
}
