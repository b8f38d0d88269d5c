//! How long history is kept.

use std::time::Duration;

use super::DAY;

/// How long each kind of history is kept. Rollups of a day are kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Raw results; 7 days by default.
    pub results: Duration,
    /// Rollups of 5 minutes; 2 days by default.
    pub five_minutes: Duration,
    /// Rollups of an hour; 90 days by default.
    pub hours: Duration,
    /// Events; 90 days by default.
    pub events: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { results: 7 * DAY, five_minutes: 2 * DAY, hours: 90 * DAY, events: 90 * DAY }
    }
}
