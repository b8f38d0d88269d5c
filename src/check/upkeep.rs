//! When a session that stays open is looked after: whether its peer still has the same address, and whether a new session
//! can still be opened.

use std::time::Duration;

use tokio::time::Instant;

/// The time from one look-up of a peer's address to the next. A node whose address changes may keep its old one for a while.
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(300);

/// When a session is looked after next.
#[derive(Debug)]
pub(super) struct Upkeep {
    look_up_at: Instant,
    renew_at: Instant,
}

impl Upkeep {
    /// For a session that is renewed at the age of `renew_after`.
    pub fn of_new_session(renew_after: Duration) -> Self {
        let now = Instant::now();
        Self { look_up_at: now + jittered(LOOK_UP_INTERVAL), renew_at: now + jittered(renew_after) }
    }

    /// Whether the address must be looked up.
    pub fn is_due(&self) -> bool {
        self.look_up_at.min(self.renew_at) <= Instant::now()
    }

    /// Whether the session is to be replaced.
    pub fn is_renewal_due(&self) -> bool {
        self.renew_at <= Instant::now()
    }

    /// Puts off what is due, so that it is tried again when this attempt fails. `renew_after` is the age of renewal.
    pub fn put_off(&mut self, renew_after: Duration) {
        let next = Instant::now() + jittered(LOOK_UP_INTERVAL.min(renew_after));
        if self.is_renewal_due() {
            self.renew_at = next;
        }
        self.look_up_at = next;
    }
}

/// `duration`, up to a tenth shorter or longer. Sessions that were opened together are not looked after together.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.9 + 0.2 * rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn sessions_that_were_opened_together_are_renewed_at_different_times() {
        let times: Vec<Duration> = (0..1000).map(|_| jittered(HOUR)).collect();
        assert!(times.iter().all(|time| (HOUR.mul_f64(0.9)..=HOUR.mul_f64(1.1)).contains(time)), "{times:?}");
        let (earliest, latest) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*latest - *earliest > HOUR.mul_f64(0.15), "{earliest:?} to {latest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_looked_up_more_often_than_the_session_is_renewed() {
        let mut upkeep = Upkeep::of_new_session(HOUR);
        let mut look_ups = 0;
        while !upkeep.is_renewal_due() {
            advance(Duration::from_secs(5)).await;
            if upkeep.is_due() && !upkeep.is_renewal_due() {
                look_ups += 1;
                upkeep.put_off(HOUR);
            }
        }
        assert!((9..=15).contains(&look_ups), "{look_ups}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_failed_is_tried_again_soon() {
        let mut upkeep = Upkeep::of_new_session(HOUR);
        advance(HOUR.mul_f64(1.1)).await;
        assert!(upkeep.is_renewal_due());
        upkeep.put_off(HOUR);
        assert!(!upkeep.is_due());
        advance(LOOK_UP_INTERVAL.mul_f64(1.1)).await;
        assert!(upkeep.is_renewal_due());
    }
}
