//! Visitors who subscribe to nodes by mail: what they ask for and confirm, what the planner knows of them, and mails that wait.
//!
//! All of it belongs to this instance: it is no part of what instances share.

mod ask;
mod forget;
mod mails;
mod manage;
mod plan;

pub(super) use self::{
    forget::{forget, sweep},
    plan::store_step,
};
use crate::{
    db::{Sql, sql},
    domain::DAY,
};

/// How long what was asked for waits for a confirmation.
const UNCONFIRMED: std::time::Duration = DAY.saturating_mul(3);

/// The place to which an encrypted address is bound, see [`HubKey::seal`](crate::crypto::HubKey::seal).
pub(super) const ADDRESS_PLACE: &str = "subscribers.address";

/// Keeps others from adding and removing mailboxes until the end of the transaction. On SQLite it is the only one.
pub(super) const LOCK: Sql =
    sql!(["DELETE FROM subscribers WHERE FALSE" | "LOCK TABLE subscribers IN SHARE ROW EXCLUSIVE MODE"]);
