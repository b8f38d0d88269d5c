//! Alerts, as the store keeps them: channels, what is wrong for a rule, and messages that wait. What rules, conditions and
//! messages say is the business of their users; here they are texts.

use std::collections::BTreeSet;

use easytier_probe::{PeerUrl, Secret};
use uuid::Uuid;

use super::{ChannelId, Event, PeerId, Region, Tag, Timestamp, Verdict, VisitorStep};

/// Where changes are told.
#[derive(Debug, Clone)]
pub struct AlertChannel {
    /// Its id here.
    pub id: ChannelId,
    /// Its id at all instances.
    pub uid: Uuid,
    /// Its name and what it is.
    pub spec: ChannelSpec,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a channel is.
#[derive(Debug, Clone)]
pub struct ChannelSpec {
    /// Its name; no other channel has it.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether anything is told there.
    pub enabled: bool,
    /// Its settings and rules: JSON, with secrets.
    pub config: Secret,
}

/// What is wrong for a rule, or was a while ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertCondition {
    /// The rule and the subject.
    pub key: String,
    /// JSON.
    pub state: String,
    /// Who acknowledged it, and when.
    pub acknowledged: Option<(String, Timestamp)>,
}

/// Something that nothing is told about until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMute {
    /// The id with which it can be ended.
    pub id: i64,
    /// A rule, a subject, or `all`.
    pub scope: String,
    /// When it ends.
    pub until: Timestamp,
    /// Who muted it.
    pub muted_by: String,
    /// When.
    pub muted_at: Timestamp,
}

/// What is wrong and muted at another instance, in the terms of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredAlerts {
    /// What is wrong for rules, or was told.
    pub conditions: Vec<AlertCondition>,
    /// What is muted; the ids do not count.
    pub mutes: Vec<AlertMute>,
    /// When the planner of the other instance last looked, by the clock of this one.
    pub planned_at: Timestamp,
    /// The state of the plan: JSON.
    pub state: String,
}

/// How far the planner of messages is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertPlan {
    /// The id of the newest event that it has read.
    pub cursor: i64,
    /// When it last looked; `None` until it has.
    pub planned_at: Option<Timestamp>,
    /// JSON.
    pub state: String,
}

/// A step of the planner.
#[derive(Debug, Clone)]
pub struct PlanStep {
    /// The plan afterwards.
    pub plan: AlertPlan,
    /// Conditions that are new or changed: key and state.
    pub changed: Vec<(String, String)>,
    /// The keys of conditions that are over.
    pub removed: Vec<String>,
    /// The keys of conditions that are no longer acknowledged, because they ended.
    pub ended: Vec<String>,
    /// Messages to send.
    pub deliveries: Vec<NewDelivery>,
    /// What it does for visitors who subscribed by mail.
    pub visitors: VisitorStep,
}

/// A message to send to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The idempotency key.
    pub id: Uuid,
    /// Where to.
    pub channel: ChannelId,
    /// JSON.
    pub message: String,
}

/// A message that this hub alone may send for a while.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// The idempotency key.
    pub id: Uuid,
    /// Where to.
    pub channel: AlertChannel,
    /// JSON.
    pub message: String,
    /// How many attempts there were before.
    pub attempts: u32,
    /// Whether the attempt before was begun and nobody knows how it ended.
    pub interrupted: bool,
    /// When it was planned.
    pub created_at: Timestamp,
    /// Whose attempt this is.
    pub token: String,
}

/// How an attempt to send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// The channel took it.
    Sent,
    /// Another attempt is due at this time.
    Retry(Timestamp, String),
    /// There will be no other attempt.
    Failed(String),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It is to be sent, or is being sent.
    Waiting,
    /// The channel took it.
    Sent,
    /// It was not sent, and will not be.
    Failed,
    /// Its channel was removed first.
    Dropped,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Sent, Self::Failed, Self::Dropped];

    /// The name, in the API and in the database.
    pub fn as_str(self) -> &'static str {
        ["waiting", "sent", "failed", "dropped"][self as usize]
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A message, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the order of messages.
    pub seq: i64,
    /// The idempotency key.
    pub id: Uuid,
    /// Where to.
    pub channel: ChannelId,
    /// The name of the channel; `None` when it was removed.
    pub channel_name: Option<String>,
    /// JSON.
    pub message: String,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When the next attempt is due, while it waits.
    pub due_at: Timestamp,
    /// How many attempts there were.
    pub attempts: u32,
    /// What became of it.
    pub state: DeliveryState,
    /// When it was sent, failed or was dropped.
    pub done_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// What the rules of alerts ask about a node.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertNode {
    /// Its id.
    pub id: PeerId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: PeerUrl,
    /// Its tags.
    pub tags: BTreeSet<Tag>,
    /// The regions that check it; all when it is empty.
    pub regions: BTreeSet<Region>,
    /// The verdict of all regions.
    pub verdict: Verdict,
    /// When the verdict last changed.
    pub since: Timestamp,
}

/// What the planner has to read.
#[derive(Debug, Clone)]
pub struct AlertNews {
    /// How far it was.
    pub plan: AlertPlan,
    /// The id of the newest event, also of one that it has read.
    pub newest_event: i64,
    /// Changes whenever a channel is added, changed or removed.
    pub channels: (i64, i64),
    /// Changes whenever something is muted, no longer muted, or acknowledged.
    pub edits: (i64, i64),
    /// At most so many events after the plan's cursor as were asked for, the oldest first.
    pub events: Vec<Event>,
}
