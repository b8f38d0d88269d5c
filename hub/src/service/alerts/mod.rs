//! Alerts: the channels and their rules, what was told, what waits, and what is acknowledged or muted.

mod about;
mod channels;
mod conditions;
mod config;
mod facts;
mod history;
mod levels;
mod linked;
mod links;
mod messenger;
mod names;
mod preview;
mod rules;

use std::sync::Arc;

use easytier_uptime_store::Store;

pub(crate) use self::{
    about::About,
    facts::{check_interval, counts, fresh, millis, node_facts, probe_facts, seen, staleness},
    levels::levels,
    links::{PURPOSE as LINK_PURPOSE, token as link_token},
};
pub use self::{
    channels::{ChannelChange, ChannelView, NewChannel},
    conditions::{ConditionView, MAX_MUTE, MuteView},
    config::{ChannelConfig, Settings},
    history::{DeliveryView, MAX_LISTED},
    linked::{LINK_HOURS, Linked},
    links::LINK_LIFETIME,
    messenger::Messenger,
    preview::{PREVIEW_DAYS, Preview, PreviewedMessage},
    rules::RuleView,
};

/// Who acknowledges and mutes on the pages and by the API: there is one operator.
pub const ADMIN: &str = "admin";

/// The use cases of alerts. Cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    store: Store,
    messenger: Arc<dyn Messenger>,
}

impl Alerts {
    /// The alerts of `store`; `messenger` knows the kinds of channels.
    pub fn new(store: Store, messenger: Arc<dyn Messenger>) -> Self {
        Self { store, messenger }
    }
}
