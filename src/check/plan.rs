//! How a peer is checked.

use std::time::Duration;

use tokio::time::Instant;

use super::{dial::Dialer, session::PingPlan};
use crate::{Access, CheckMode};

/// How a peer is checked; the same for each of its addresses.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub dialer: &'a Dialer,
    pub access: &'a Access,
    pub mode: CheckMode,
    pub pings: PingPlan,
    pub deadline: Instant,
    /// The time that the whole check may take, for messages.
    pub timeout: Duration,
}
