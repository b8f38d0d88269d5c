//! What a condition is about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::duty::Duty;

/// What something is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A node, by its id. It is the first in the order.
    Node(i64),
    /// The certificate of the node with this id.
    Certificate(i64),
    /// The version of the node with this id.
    Version(i64),
    /// Whether the node with this id relays.
    Relay(i64),
    /// Work that one hub does at a time.
    Duty(Duty),
    /// A probe, by its id.
    Probe(i64),
    /// The hub itself.
    Hub,
}

impl Subject {
    /// The id of the node that it, or a part of it, is; `None` where it is none.
    pub fn node(self) -> Option<i64> {
        match self {
            Self::Node(id) | Self::Certificate(id) | Self::Version(id) | Self::Relay(id) => Some(id),
            Self::Duty(_) | Self::Probe(_) | Self::Hub => None,
        }
    }

    /// Whether nothing notes when it changes: it is looked at now and then.
    pub(super) fn is_level(self) -> bool {
        matches!(self, Self::Certificate(_) | Self::Version(_) | Self::Relay(_) | Self::Duty(_))
    }
}

/// A text that names no subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write node:ID, certificate:ID, version:ID, relay:ID, duty:NAME, probe:ID or hub")]
pub struct SubjectError;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "node:{id}"),
            Self::Certificate(id) => write!(f, "certificate:{id}"),
            Self::Version(id) => write!(f, "version:{id}"),
            Self::Relay(id) => write!(f, "relay:{id}"),
            Self::Duty(duty) => write!(f, "duty:{}", duty.as_str()),
            Self::Probe(id) => write!(f, "probe:{id}"),
            Self::Hub => f.write_str("hub"),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        match (kind, name.parse()) {
            ("node", Ok(id)) => Ok(Self::Node(id)),
            ("certificate", Ok(id)) => Ok(Self::Certificate(id)),
            ("version", Ok(id)) => Ok(Self::Version(id)),
            ("relay", Ok(id)) => Ok(Self::Relay(id)),
            ("probe", Ok(id)) => Ok(Self::Probe(id)),
            ("duty", _) => Duty::from_name(name).map(Self::Duty).ok_or(SubjectError),
            ("hub", Err(_)) if text == "hub" => Ok(Self::Hub),
            _ => Err(SubjectError),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = SubjectError;

    fn try_from(text: String) -> Result<Self, SubjectError> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

/// A rule and a subject: what a condition is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The id of the rule.
    pub rule: Uuid,
    /// The subject.
    pub subject: Subject,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.rule, self.subject)
    }
}

impl FromStr for Key {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let (rule, subject) = text.split_once('/').ok_or(SubjectError)?;
        Ok(Self { rule: rule.parse().map_err(|_| SubjectError)?, subject: subject.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let parts = [Subject::Certificate(12), Subject::Version(12), Subject::Relay(12), Subject::Duty(Duty::Fold)];
        for subject in [Subject::Node(12), Subject::Probe(3), Subject::Hub].into_iter().chain(parts) {
            let key = Key { rule: Uuid::from_u128(7), subject };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for text in ["", "node", "node:", "node:x", "hub:1", "peer:1", "duty:1", "version:x"] {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError), "{text}");
        }
    }
}
