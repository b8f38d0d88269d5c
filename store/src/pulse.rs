//! Signs of life of the tasks of a store, for a watchdog.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The longest time that a step of a task may take. Each step gives up after a timeout of a minute at most, also while the
/// database is away; a step that takes longer is stuck.
const LONGEST_STEP: Duration = Duration::from_secs(120);

/// The pulse of a task that works in steps.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// When the current step began; `None` while the task waits for work.
    step: Mutex<Option<Instant>>,
}

impl Pulse {
    /// Records that a step begins.
    pub fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    /// Records that the task waits for work, or has ended as it should.
    pub fn rest(&self) {
        self.set(None);
    }

    /// Whether the task waits for work, or its current step may still take longer.
    pub fn is_alive(&self) -> bool {
        self.step.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|began| began.elapsed() <= LONGEST_STEP)
    }

    fn set(&self, step: Option<Instant>) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }
}

/// The pulses of the tasks of one store.
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    /// The task that writes results.
    pub writer: Pulse,
    /// The task that applies results.
    pub fold: Pulse,
    /// Reviews, sweeps and the rest of the upkeep.
    pub maintenance: Pulse,
}

impl Pulses {
    /// Whether none of the tasks is stuck.
    pub fn are_alive(&self) -> bool {
        [&self.writer, &self.fold, &self.maintenance].into_iter().all(Pulse::is_alive)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_that_never_ends_is_stuck_and_a_task_that_waits_is_not() {
        let pulses = Pulses::default();
        for pulse in [&pulses.writer, &pulses.fold, &pulses.maintenance] {
            advance(10 * LONGEST_STEP).await;
            assert!(pulses.are_alive(), "all wait for work");
            pulse.beat();
            advance(LONGEST_STEP).await;
            assert!(pulses.are_alive());
            advance(Duration::from_millis(1)).await;
            assert!(!pulses.are_alive());
            pulse.beat();
            assert!(pulses.are_alive(), "the next step");
            pulse.rest();
        }
    }
}
