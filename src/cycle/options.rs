//! How a cycle runs.

use std::time::Duration;

use crate::self_check::SelfCheckTarget;

/// The options of a cycle. The number of concurrent checks is [`Checker::max_checks`](crate::Checker::max_checks).
#[derive(Debug, Clone)]
pub struct CycleOptions {
    /// The longest duration of the whole cycle, 5 minutes by default; more than a year counts as a year. Fetching and
    /// checking stop early enough to report within it.
    pub budget: Duration,
    /// The maximum number of results in one batch, 500 by default; 0 counts as 1.
    pub batch_size: usize,
    /// The id of this probe, for the report of its own status.
    pub server_id: Option<String>,
    /// The time from one cycle to the next, an hour by default. A hub derives from it when the results are out of date.
    pub check_interval: Duration,
    /// The targets of the [self-check](crate::self_check), and `None` for no self-check.
    ///
    /// With it, failures of peers that were listed as online are reported at the end of the checks, when it is known how
    /// many failed.
    pub self_check: Option<Vec<SelfCheckTarget>>,
}

impl Default for CycleOptions {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(300),
            batch_size: 500,
            server_id: None,
            check_interval: Duration::from_secs(3600),
            self_check: None,
        }
    }
}
