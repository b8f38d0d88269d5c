//! What a message is about, which is stored beside it.

use easytier_uptime_alerts::{
    Message,
    policy::{Draft, Key, Subject},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The conditions that a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(super) rule: Uuid,
    pub(super) subjects: Vec<Subject>,
}

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    message: &'a Message,
    about: &'a About,
}

#[derive(Deserialize)]
struct Beside {
    about: About,
}

impl About {
    /// What a draft is about.
    pub(crate) fn of(draft: &Draft) -> Self {
        Self { rule: draft.rule, subjects: draft.keys.iter().map(|key| key.subject).collect() }
    }

    /// The document that is stored of a message. Who reads only the message reads it as before.
    pub(crate) fn beside(&self, message: &Message) -> Option<String> {
        serde_json::to_string(&Stored { message, about: self }).ok()
    }

    /// What a stored message is about; `None` for one of an older version.
    pub(super) fn read(stored: &str) -> Option<Self> {
        serde_json::from_str::<Beside>(stored).ok().map(|beside| beside.about)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.subjects.iter().map(|subject| Key { rule: self.rule, subject: *subject })
    }
}
