//! What a condition is about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What something is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A node, by its id.
    Node(i64),
    /// A probe, by its id.
    Probe(i64),
    /// The hub itself.
    Hub,
}

impl Subject {
    /// The id of the node; `None` for a probe and the hub.
    pub fn node(self) -> Option<i64> {
        match self {
            Self::Node(id) => Some(id),
            Self::Probe(_) | Self::Hub => None,
        }
    }
}

/// A text that names no subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write node:ID, probe:ID or hub")]
pub struct SubjectError;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "node:{id}"),
            Self::Probe(id) => write!(f, "probe:{id}"),
            Self::Hub => f.write_str("hub"),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        match (kind, id.parse()) {
            ("node", Ok(id)) => Ok(Self::Node(id)),
            ("probe", Ok(id)) => Ok(Self::Probe(id)),
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
        for subject in [Subject::Node(12), Subject::Probe(3), Subject::Hub] {
            let key = Key { rule: Uuid::from_u128(7), subject };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for text in ["", "node", "node:", "node:x", "hub:1", "peer:1"] {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError), "{text}");
        }
    }
}
