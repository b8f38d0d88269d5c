//! What the operator tells visitors.

use serde::{Deserialize, Serialize};

use super::{AnnouncementId, Timestamp};

/// How much an announcement matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Something does not work as usual, or will not.
    Warning,
    /// Something does not work.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The name, in the database, in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        ["info", "warning", "critical"][self as usize]
    }

    /// The severity with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

/// The texts of an announcement, and until when it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewAnnouncement {
    /// How much it matters.
    pub severity: Severity,
    /// The text in English. One of the two languages has a text at least.
    pub english: Option<String>,
    /// The text in Chinese.
    pub chinese: Option<String>,
    /// When it ends by itself; `None` for one that somebody has to end.
    pub ends_at: Option<Timestamp>,
}

/// An announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its id.
    pub id: AnnouncementId,
    /// Its texts and its end.
    pub content: NewAnnouncement,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Announcement {
    /// Whether it is shown at `now`.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.content.ends_at.is_none_or(|ends_at| ends_at > now)
    }
}
