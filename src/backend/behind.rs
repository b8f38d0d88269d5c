//! Since when an endpoint answers that it does not hold the listing that the probe has.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::ListingVersion;

/// How many times longer than the patience a probe waits when an endpoint does not answer at all: it may hold the listing.
const LONGER: u32 = 144;

/// Since when an endpoint is behind, and the newest listing that it lacks.
#[derive(Debug, Default)]
pub(super) struct Behind(Mutex<Option<(Instant, ListingVersion)>>);

impl Behind {
    /// Notes that the endpoint does not hold a listing.
    pub fn lacks(&self, named: ListingVersion) {
        let mut state = self.state();
        let (since, newest) = state.unwrap_or_else(|| (Instant::now(), named));
        *state = Some((since, newest.max(named)));
    }

    /// Notes that an endpoint holds a listing: whoever lacks an older one will have it soon.
    pub fn found(&self, named: ListingVersion) {
        let mut state = self.state();
        *state = state.filter(|(_, newest)| *newest > named);
    }

    /// Notes that the endpoint does not answer, so that it may hold any listing; or that the one it lacks is given up.
    pub fn end(&self) {
        *self.state() = None;
    }

    fn state(&self) -> MutexGuard<'_, Option<(Instant, ListingVersion)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest listing that will not be found at these endpoints any more: all of them lack one for `patience`, or one of them does for
/// much longer while others do not answer. The probe belongs to another cluster then, or to one whose databases were all
/// restored.
pub(super) fn lost<'a>(endpoints: impl Iterator<Item = &'a Behind>, patience: Duration) -> Option<ListingVersion> {
    let states: Vec<Option<(Duration, ListingVersion)>> =
        endpoints.map(|behind| behind.state().map(|(since, newest)| (since.elapsed(), newest))).collect();
    let all = states.iter().all(|state| state.is_some_and(|(lasts, _)| lasts >= patience));
    let lasting = states.into_iter().flatten();
    lasting.filter(|(lasts, _)| all || *lasts >= patience * LONGER).map(|(_, newest)| newest).max()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);
    const OLDER: ListingVersion = ListingVersion { epoch: 1, version: 9 };
    const NEWER: ListingVersion = ListingVersion { epoch: 3, version: 2 };

    #[tokio::test(start_paused = true)]
    async fn all_must_be_behind_for_long_or_one_for_much_longer() {
        let endpoints = [Behind::default(), Behind::default()];
        let lost = || super::lost(endpoints.iter(), PATIENCE);
        assert_eq!(lost(), None);
        endpoints[0].lacks(NEWER);
        advance(PATIENCE).await;
        endpoints[0].lacks(OLDER);
        assert_eq!(lost(), None, "the other one may hold it");
        endpoints[1].lacks(OLDER);
        advance(PATIENCE / 2).await;
        assert_eq!(lost(), None);
        advance(PATIENCE / 2).await;
        assert_eq!(lost(), Some(NEWER));
        endpoints.iter().for_each(|endpoint| endpoint.found(OLDER));
        assert_eq!(lost(), None, "the second is no longer behind");
        advance(PATIENCE * (LONGER - 2)).await;
        assert_eq!(lost(), Some(NEWER));
        endpoints[0].end();
        assert_eq!(lost(), None);
    }
}
