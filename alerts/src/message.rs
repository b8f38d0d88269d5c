//! What a channel is asked to tell.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

/// One message, for one channel. Its texts are ready, in the language of its rule; a channel lays them out and escapes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same in every attempt to send it: the idempotency key.
    pub id: Uuid,
    /// What it is about.
    pub topic: Topic,
    /// How bad it is.
    pub severity: Severity,
    /// What messages about the same trouble have in common, such as an outage and its recovery: a service that keeps incidents
    /// opens and closes one by this key.
    pub subject: String,
    /// One line without a trailing full stop.
    pub title: String,
    /// The rest, a paragraph each; may be empty.
    pub lines: Vec<String>,
    /// The nodes that it is about, at most [`Message::MAX_NODES`]; the last line says how many more there are.
    pub nodes: Vec<NodeLine>,
    /// The page to look at, if the hub knows its public URL.
    pub url: Option<Url>,
    /// The page on which the reader can acknowledge it; opening the page changes nothing.
    pub acknowledge: Option<Url>,
    /// The page on which a visitor who subscribed by mail ends that. A POST to it does so at once (RFC 8058); opening it changes
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<Url>,
    /// When the change happened.
    pub at: DateTime<Utc>,
    /// The language of the texts.
    pub language: Language,
}

impl Message {
    /// How many nodes a message lists.
    pub const MAX_NODES: usize = 20;

    /// Whether it says that what messages with its subject told is over.
    pub(crate) fn is_end(&self) -> bool {
        self.severity == Severity::Info && self.topic != Topic::Test
    }

    /// A message with all that one can have, and one with as little as one can have, to try templates with.
    pub(crate) fn samples() -> [Self; 2] {
        let url = |path: &str| Url::parse(&format!("https://uptime.example/{path}")).ok();
        let whole = Self {
            id: Uuid::nil(),
            topic: Topic::Outage,
            severity: Severity::Critical,
            subject: "sample".to_owned(),
            title: "\"Tokyo\" is down".to_owned(),
            lines: vec!["Seen by 2 of 3 regions.".to_owned()],
            nodes: vec![NodeLine { id: 1, name: "Tokyo <1>".to_owned(), what: "connection refused".to_owned() }],
            url: url("node/1"),
            acknowledge: url("alerts/1"),
            unsubscribe: None,
            at: DateTime::UNIX_EPOCH,
            language: Language::English,
        };
        let least = Self { lines: Vec::new(), nodes: Vec::new(), url: None, acknowledge: None, ..whole.clone() };
        [whole, least]
    }
}

/// One node in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    /// Its id, or 0 for a node that no longer exists.
    pub id: i64,
    /// Its name, as its operator or a stranger chose it: any text.
    pub name: String,
    /// What happened to it, in the language of the message.
    pub what: String,
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Nodes are down, seen by some regions only, or unknown.
    Outage,
    /// Nodes are up again.
    Recovery,
    /// A node goes up and down.
    Flapping,
    /// What was told before still holds.
    Reminder,
    /// A certificate ends soon.
    Certificate,
    /// A node that says it relays does not.
    Relay,
    /// A node runs an old version.
    Version,
    /// A probe or a region does not report.
    Probe,
    /// The hub itself: it was cut off, or work that one hub does at a time is done by none.
    Hub,
    /// A visitor is asked whether they want mails about nodes.
    Subscription,
    /// A test of the channel.
    Test,
}

/// How bad a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good news, or a test.
    Info,
    /// Something will be wrong, or is wrong in part.
    Warning,
    /// Something is wrong.
    Critical,
}

/// A language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh")]
    Chinese,
}

impl Language {
    /// The name in settings and databases.
    pub fn name(self) -> &'static str {
        self.pick("en", "zh")
    }

    /// The language with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::English, Self::Chinese].into_iter().find(|language| language.name() == name)
    }
}
