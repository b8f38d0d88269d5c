//! Rules: which changes of which nodes are told, and when not.

mod changes;
mod quiet;
mod version;

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::{
    changes::Changes,
    quiet::{QuietHours, QuietHoursError},
    version::{NodeVersion, NodeVersionError},
};
use crate::Language;

/// The longest time that a change may have to last before it is told.
const MAX_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// The shortest and the longest time between reminders.
const REMINDERS: [Duration; 2] = [Duration::from_secs(10 * 60), Duration::from_secs(30 * 24 * 3600)];

/// The longest time for which changes are gathered.
const MAX_GROUP: Duration = Duration::from_secs(300);

/// The longest time for which the end of a certificate is told ahead, in days.
const MAX_CERTIFICATE_DAYS: u32 = 365;

/// How many ids, tags and regions a rule may name.
const MAX_NAMES: usize = 1000;

/// Which changes of which nodes are told, and when not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Identifies it, also among the rules of other channels.
    pub id: Uuid,
    /// The nodes; all when none are named.
    #[serde(default)]
    pub nodes: Nodes,
    /// What is told.
    pub on: Changes,
    /// How many seconds a change has to last before it is told.
    #[serde(default)]
    pub after_seconds: u32,
    /// After how many seconds a message is repeated while what it says holds; never when it is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder_seconds: Option<u32>,
    /// When nothing is told. What still holds at the end is told then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietHours>,
    /// The language of the messages.
    #[serde(default)]
    pub language: Language,
    /// For how many seconds changes are gathered into one message. After each message it takes longer, up to five minutes, until
    /// there was none for ten minutes. With 0 it does not.
    #[serde(default = "usual_group")]
    pub group_seconds: u32,
    /// How many days before its end a certificate is told.
    #[serde(default = "usual_certificate_days", skip_serializing_if = "is_usual_certificate_days")]
    pub certificate_days: u32,
    /// Nodes with a version before this one are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_below: Option<NodeVersion>,
    /// What only a newer version knows: it is kept.
    #[serde(flatten)]
    pub newer: Map<String, Value>,
}

fn usual_group() -> u32 {
    5
}

fn usual_certificate_days() -> u32 {
    14
}

fn is_usual_certificate_days(days: &u32) -> bool {
    *days == usual_certificate_days()
}

/// Nodes: those with one of the ids or tags, and those that one of the regions checks. All when it names none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// Ids of nodes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ids: BTreeSet<i64>,
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Regions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<String>,
}

impl Nodes {
    /// Whether all nodes are meant.
    pub fn is_all(&self) -> bool {
        self.ids.is_empty() && self.tags.is_empty() && self.regions.is_empty()
    }
}

/// A change that may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// No region sees the node online.
    Down,
    /// Half of the regions or fewer see the node online.
    Partial,
    /// No region has a result any more, although probes run that check the node.
    Unknown,
    /// A node, or a probe, is up again that was told to be wrong.
    Up,
    /// A probe stops reporting.
    Probe,
    /// The certificate of a node expires soon.
    Certificate,
    /// A node runs an old version of EasyTier.
    Version,
    /// No hub runs one of the background tasks.
    Duty,
    /// A node does not relay whose owner declares that it does.
    Relay,
}

impl Change {
    /// All changes.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Partial,
        Self::Unknown,
        Self::Up,
        Self::Probe,
        Self::Certificate,
        Self::Version,
        Self::Duty,
        Self::Relay,
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        ["down", "partial", "unknown", "up", "probe", "certificate", "version", "duty", "relay"][self as usize]
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Change {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::ALL.into_iter().find(|change| change.as_str() == text).ok_or(RuleError::NoChange)
    }
}

/// Why a rule is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A change is unknown.
    #[error("write down, partial, unknown, up, probe, certificate, version, duty or relay")]
    NoChange,
    /// It tells nothing, or only that something is up again.
    #[error("name at least one of down, partial, unknown, probe, certificate, version, duty and relay")]
    NothingToTell,
    /// A change would have to last too long.
    #[error("a change can be told after 7 days at most")]
    TooLate,
    /// Reminders would come too often or too rarely.
    #[error("reminders can be 10 minutes to 30 days apart")]
    Reminder,
    /// Changes would be gathered too long.
    #[error("changes can be gathered for 5 minutes at most")]
    Group,
    /// The end of a certificate would be told too early or too late.
    #[error("the end of a certificate can be told 1 to 365 days before")]
    CertificateDays,
    /// It tells of old versions, and does not say which are old; or the other way round.
    #[error("to tell of versions, name both the change version and the first version that is not told")]
    Version,
    /// It names too many nodes, tags and regions.
    #[error("name at most 1000 nodes, tags and regions")]
    TooManyNames,
}

impl Rule {
    /// A rule with the usual settings for all nodes: what is down and up again, at once.
    pub fn new(id: Uuid) -> Self {
        Self {
            id,
            nodes: Nodes::default(),
            on: [Change::Down, Change::Up].into(),
            after_seconds: 0,
            reminder_seconds: None,
            quiet: None,
            language: Language::default(),
            group_seconds: usual_group(),
            certificate_days: usual_certificate_days(),
            version_below: None,
            newer: Map::new(),
        }
    }

    /// Takes over what only a newer version knows, from the rule before it was edited here.
    pub fn keep_newer(&mut self, before: &Self) {
        self.on.keep_newer(&before.on);
        let missing = before.newer.iter().filter(|(name, _)| !self.newer.contains_key(*name));
        let missing: Vec<_> = missing.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.newer.extend(missing);
    }

    /// Checks that the rule can be followed.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), RuleError> {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let names = self.nodes.ids.len() + self.nodes.tags.len() + self.nodes.regions.len();
        let reminders = REMINDERS[0]..=REMINDERS[1];
        match self {
            _ if !self.on.are_known() => Err(RuleError::NoChange),
            _ if self.on.iter().all(|change| *change == Change::Up) => Err(RuleError::NothingToTell),
            _ if seconds(self.after_seconds) > MAX_AFTER => Err(RuleError::TooLate),
            _ if self.reminder_seconds.is_some_and(|every| !reminders.contains(&seconds(every))) => {
                Err(RuleError::Reminder)
            }
            _ if seconds(self.group_seconds) > MAX_GROUP => Err(RuleError::Group),
            _ if !(1..=MAX_CERTIFICATE_DAYS).contains(&self.certificate_days) => Err(RuleError::CertificateDays),
            _ if self.tells(Change::Version) != self.version_below.is_some() => Err(RuleError::Version),
            _ if names > MAX_NAMES => Err(RuleError::TooManyNames),
            _ => Ok(()),
        }
    }

    /// Whether a change is told.
    pub(crate) fn tells(&self, change: Change) -> bool {
        self.on.contains(&change)
    }

    /// How long a change has to last, in milliseconds.
    pub(crate) fn after(&self) -> i64 {
        i64::from(self.after_seconds) * 1000
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written_and_short_forms_have_the_usual_settings() {
        let quiet = QuietHours::new("22:00-07:30", "Asia/Shanghai").unwrap();
        let nodes = Nodes { ids: [3].into(), tags: ["fast".into()].into(), regions: ["eu".into()].into() };
        let rule = Rule {
            nodes,
            quiet: Some(quiet),
            reminder_seconds: Some(3600),
            language: Language::Chinese,
            certificate_days: 30,
            version_below: NodeVersion::reported("2.4.0"),
            ..Rule::new(Uuid::from_u128(7))
        };
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule, "{text}");
        let short = format!(r#"{{"id": "{}", "on": ["up", "down"]}}"#, Uuid::from_u128(7));
        assert_eq!(serde_json::from_str::<Rule>(&short).unwrap(), Rule::new(Uuid::from_u128(7)));
    }

    #[test]
    fn what_only_a_newer_version_knows_is_kept_and_cannot_be_written_here() {
        let newer = json!({ "id": Uuid::from_u128(7), "on": ["moved", "down", "up"], "move_limit": {"km": 3} });
        let rule: Rule = serde_json::from_value(newer).unwrap();
        assert!(rule.tells(Change::Down) && rule.check() == Err(RuleError::NoChange));
        let written = serde_json::to_value(&rule).unwrap();
        assert_eq!((&written["on"], &written["move_limit"]), (&json!(["down", "up", "moved"]), &json!({"km": 3})));
        let mut edited = Rule { on: [Change::Down].into(), ..Rule::new(rule.id) };
        edited.keep_newer(&rule);
        assert_eq!(edited, Rule { on: serde_json::from_value(json!(["down", "moved"])).unwrap(), ..rule });
    }

    #[test]
    fn rules_that_cannot_be_followed_are_refused() {
        let rule = Rule::new(Uuid::from_u128(7));
        assert_eq!(rule.check(), Ok(()));
        let refused = [
            (Rule { on: [].into(), ..rule.clone() }, RuleError::NothingToTell),
            (Rule { on: [Change::Up].into(), ..rule.clone() }, RuleError::NothingToTell),
            (Rule { after_seconds: 604_801, ..rule.clone() }, RuleError::TooLate),
            (Rule { reminder_seconds: Some(599), ..rule.clone() }, RuleError::Reminder),
            (Rule { group_seconds: 301, ..rule.clone() }, RuleError::Group),
            (Rule { certificate_days: 0, ..rule.clone() }, RuleError::CertificateDays),
            (Rule { certificate_days: 366, ..rule.clone() }, RuleError::CertificateDays),
            (Rule { on: [Change::Version].into(), ..rule.clone() }, RuleError::Version),
            (Rule { version_below: NodeVersion::reported("2.4.0"), ..rule.clone() }, RuleError::Version),
            (
                Rule { nodes: Nodes { ids: (0..1001).collect(), ..Nodes::default() }, ..rule.clone() },
                RuleError::TooManyNames,
            ),
        ];
        for (rule, why) in refused {
            assert_eq!(rule.check(), Err(why));
        }
        assert_eq!("partial".parse(), Ok(Change::Partial));
        assert_eq!("gone".parse::<Change>(), Err(RuleError::NoChange));
    }
}
