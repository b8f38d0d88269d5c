//! Addresses from which the admin logged in.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long an address is remembered after its last login.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The maximum number of addresses. Only the admin can add one.
const MAX: usize = 256;

/// The addresses, in this process only: after a restart, an address is familiar again with the next request of a session.
#[derive(Debug)]
pub struct Familiar<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Familiar<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Familiar<K> {
    /// Remembers an address.
    pub fn remember(&self, key: K) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if seen.len() >= MAX && !seen.contains_key(&key) {
            seen.retain(|_, at| now.duration_since(*at) < LIFETIME);
            let oldest = seen.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key);
            if let Some(oldest) = oldest.filter(|_| seen.len() >= MAX) {
                seen.remove(&oldest);
            }
        }
        seen.insert(key, now);
    }

    /// Whether the address is remembered.
    pub fn contains(&self, key: K) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&key).is_some_and(|at| at.elapsed() < LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_is_remembered_for_a_month_and_the_newest_ones_only() {
        let familiar = Familiar::default();
        familiar.remember(0);
        tokio::time::advance(Duration::from_secs(1)).await;
        for address in 1..=MAX {
            familiar.remember(address);
        }
        assert!(!familiar.contains(0) && familiar.contains(1) && familiar.contains(MAX));
        tokio::time::advance(LIFETIME).await;
        assert!(!familiar.contains(1));
    }
}
