//! How a peer is checked.

use tokio::time::Instant;

use super::{dial::Dialer, meter::Meter, session::PingPlan};
use crate::{Access, CheckMode};

/// How a peer is checked at one of its addresses.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub dialer: &'a Dialer,
    pub meter: &'a Meter,
    pub access: &'a Access,
    pub mode: CheckMode,
    pub pings: PingPlan,
    pub deadline: Instant,
}

impl Plan<'_> {
    /// When half of the time that is left has passed.
    pub fn half_time(&self) -> Instant {
        let now = Instant::now();
        now + self.deadline.saturating_duration_since(now) / 2
    }
}
