//! When to try again what failed.

use std::time::Duration;

use easytier_probe::{BackendError, backend::RetryPolicy};

/// For ever, and never more than a minute apart.
const POLICY: RetryPolicy =
    RetryPolicy { rounds: u32::MAX, first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(60) };

/// Pauses that grow with every failure in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a failure. A wait that the backend asks for is kept, and what somebody has to do something about is not
    /// made better by haste.
    pub fn after(&mut self, error: &BackendError) -> Duration {
        let soon = self.after_nothing();
        let pause = match error.is_unauthorized() || error.is_final() {
            true => POLICY.pause(u32::MAX),
            false => soon,
        };
        pause.max(error.retry_after().unwrap_or_default())
    }

    /// The pause after what was no failure, and not what is waited for.
    pub fn after_nothing(&mut self) -> Duration {
        self.failures += 1;
        POLICY.pause(self.failures - 1)
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(retry_after: Option<Duration>) -> BackendError {
        BackendError::Failed { request: "GET /".into(), status: 503, answer: "503".into(), retry_after }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_start_over() {
        let mut backoff = Backoff::default();
        for most in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let (pause, most) = (backoff.after(&failed(None)), Duration::from_secs(most));
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
        }
        backoff.reset();
        assert!(backoff.after(&failed(None)) <= POLICY.first_pause);
    }

    #[test]
    fn what_the_backend_asks_for_is_kept() {
        let asked = Duration::from_secs(120);
        assert_eq!(Backoff::default().after(&failed(Some(asked))), asked);
    }

    #[test]
    fn wrong_credentials_are_tried_slowly_from_the_first_time_on() {
        let refused =
            BackendError::Unauthorized { request: "".into(), credentials: "NODE_TOKEN", answer: "".into(), advice: "" };
        assert!(Backoff::default().after(&refused) >= POLICY.longest_pause / 2);
    }
}
