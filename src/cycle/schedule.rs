//! When the parts of a cycle end.

use std::time::Duration;

use tokio::time::Instant;

/// A longer budget could overflow [`Instant`].
const MAX_BUDGET: Duration = Duration::from_secs(366 * 24 * 3600);

/// When the parts of a cycle end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Fetching and checking end.
    pub check_by: Instant,
    /// The delivery of results ends.
    pub deliver_by: Instant,
    /// The report of the probe's own status ends.
    pub end_by: Instant,
}

impl Schedule {
    /// Reserves a fifth of the budget for reporting: at least half a second, at most ten seconds, and never more than half
    /// of the budget. A fifth of this time is reserved for the probe's own status.
    pub fn new(start: Instant, budget: Duration) -> Self {
        let budget = budget.min(MAX_BUDGET);
        let reporting = (budget / 5).clamp(Duration::from_millis(500), Duration::from_secs(10)).min(budget / 2);
        let end_by = start + budget;
        Self { check_by: end_by - reporting, deliver_by: end_by - reporting / 5, end_by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_budget_makes_a_schedule() {
        let start = Instant::now();
        for budget in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
            let schedule = Schedule::new(start, budget);
            assert!(start <= schedule.check_by && schedule.check_by <= schedule.deliver_by, "{budget:?}");
            assert!(schedule.deliver_by <= schedule.end_by, "{budget:?}");
        }
    }
}
