//! Alerts: the channels, what is wrong for their rules, and the messages that wait. What these say is text here.

mod channels;
mod conditions;
mod facts;
mod listing;
mod mirror;
mod outbox;
mod plan;

pub(super) use self::channels::{
    CONFIG_PLACE, add as add_channel, edit_configs, edit_seen as edit_channel, remove as remove_channel, shared,
};
