//! Since when an endpoint answers that it does not hold the listing that the probe has.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many times longer than the patience a probe waits when an endpoint does not answer at all: it may hold the listing.
const LONGER: u32 = 144;

/// Since when an endpoint is behind, if its last answer was that it is.
#[derive(Debug, Default)]
pub(super) struct Behind(Mutex<Option<Instant>>);

impl Behind {
    /// Notes whether the last answer was that it is behind.
    pub fn note(&self, is_behind: bool) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = is_behind.then(|| since.unwrap_or_else(Instant::now));
    }

    fn lasts(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }
}

/// Whether the listing will not be found at these endpoints any more, which answered nothing else since: all of them are behind for
/// `patience`, or one of them is for much longer while others do not answer. The probe belongs to another cluster then, or
/// to one whose databases were all restored.
pub(super) fn is_lost<'a>(endpoints: impl Iterator<Item = &'a Behind>, patience: Duration) -> bool {
    let lasting: Vec<Option<Duration>> = endpoints.map(Behind::lasts).collect();
    let all = lasting.iter().all(|lasts| lasts.is_some_and(|lasts| lasts >= patience));
    all || lasting.into_iter().flatten().any(|lasts| lasts >= patience * LONGER)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn all_must_be_behind_for_long_or_one_for_much_longer() {
        let endpoints = [Behind::default(), Behind::default()];
        let lost = || is_lost(endpoints.iter(), PATIENCE);
        assert!(!lost());
        endpoints[0].note(true);
        advance(PATIENCE).await;
        endpoints[0].note(true);
        assert!(!lost(), "the other one may hold it");
        endpoints[1].note(true);
        advance(PATIENCE / 2).await;
        assert!(!lost());
        advance(PATIENCE / 2).await;
        assert!(lost());
        endpoints[1].note(false);
        assert!(!lost(), "it is there, or does not answer");
        advance(PATIENCE * (LONGER - 2)).await;
        assert!(lost());
        endpoints[0].note(false);
        assert!(!lost());
    }
}
