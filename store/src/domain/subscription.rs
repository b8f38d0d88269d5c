//! Visitors who subscribe to nodes by mail. A mailbox is known by a hash with the hub's key; its address is private.

use std::{collections::BTreeSet, time::Duration};

use easytier_probe::Secret;
use uuid::Uuid;

use super::{PeerId, SubscriberId, Timestamp};

/// Somebody asks for mails about a node.
#[derive(Debug, Clone)]
pub struct SubscriptionRequest {
    /// The hash of the mailbox.
    pub mailbox: Uuid,
    /// The hash of what the mailboxes of one owner have in common.
    pub owner: Uuid,
    /// The hash of the network that the request comes from.
    pub network: Uuid,
    /// The address of the mailbox.
    pub address: Secret,
    /// The language of the mails: `en` or `zh`.
    pub language: String,
    /// The node.
    pub peer: PeerId,
    /// The idempotency key of the mail that asks for a confirmation.
    pub mail: Uuid,
    /// The mail that asks for a confirmation: JSON.
    pub message: String,
}

/// How much visitors may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionLimits {
    /// How many mailboxes may be named from one network in a day.
    pub owners_per_network: u32,
    /// How many mailboxes are known at most, confirmed or not.
    pub mailboxes: u32,
    /// How many nodes a mailbox can ask for.
    pub nodes: u32,
    /// The least time between two mails that ask one owner for a confirmation.
    pub quiet: Duration,
}

/// A visitor who asked for mails.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The address of the mailbox.
    pub address: Secret,
    /// The language of the mails: `en` or `zh`.
    pub language: String,
    /// The nodes, in the order of their names.
    pub nodes: Vec<SubscribedNode>,
}

/// A node that a visitor asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribedNode {
    /// The node.
    pub peer: PeerId,
    /// Its name.
    pub name: String,
    /// Whether who reads the mailbox has confirmed it.
    pub is_confirmed: bool,
}

/// How many visitors subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubscriptionCounts {
    /// The mailboxes that get mails.
    pub mailboxes: u64,
    /// The nodes that they subscribed to, each counted once for each mailbox.
    pub subscriptions: u64,
    /// The mailboxes of which nothing is confirmed.
    pub unconfirmed: u64,
    /// The mails that wait.
    pub waiting: u64,
}

/// A visitor who is told of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// Its id.
    pub id: SubscriberId,
    /// The hash of the mailbox.
    pub mailbox: Uuid,
    /// The language of the mails: `en` or `zh`.
    pub language: String,
    /// The nodes, at least one.
    pub nodes: BTreeSet<i64>,
}

/// What is known and was told of a node to a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedState {
    /// The visitor.
    pub id: SubscriberId,
    /// The hash of the mailbox.
    pub mailbox: Uuid,
    /// The node.
    pub peer: PeerId,
    /// JSON.
    pub state: String,
}

/// What a step of the planner does for visitors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VisitorStep {
    /// What is known and was told of a node to a visitor: JSON, or `None` when there is nothing to remember.
    pub states: Vec<(SubscriberId, PeerId, Option<String>)>,
    /// Mails to send.
    pub mails: Vec<NewMail>,
}

/// A mail to send to a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail {
    /// The idempotency key.
    pub id: Uuid,
    /// Who gets it.
    pub to: SubscriberId,
    /// The node, if it is about one: the mail is dropped when the visitor does not subscribe to it any more.
    pub peer: Option<PeerId>,
    /// JSON.
    pub message: String,
}

/// A mail that this hub alone may send for a while.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    /// The idempotency key.
    pub id: Uuid,
    /// The address of the mailbox.
    pub address: Secret,
    /// JSON.
    pub message: String,
    /// How many attempts there were before.
    pub attempts: u32,
    /// When it was planned.
    pub created_at: Timestamp,
    /// Whose attempt this is.
    pub token: String,
}
