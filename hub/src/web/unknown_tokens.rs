//! Tokens that a dependent does not know. They may be right: the primary, where tokens are made, may have told this instance
//! of them not yet. So one is called wrong only after a synchronisation that began when it had been presented.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use easytier_uptime_store::domain::{Role, Timestamp};
use moka::sync::Cache;

/// How many tokens are remembered, and for how long. One that was forgotten is presented for the first time again.
const MAX_TOKENS: u64 = 10_000;
const LIFETIME: Duration = Duration::from_secs(3600);

/// The maximum time of a synchronisation. What the primary sends was read from its database within that time.
const SYNCHRONISATION: Duration = Duration::from_secs(30);

/// When each unknown token was presented first, by its hash. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct UnknownTokens(Cache<u64, Timestamp>);

impl Default for UnknownTokens {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_TOKENS).time_to_live(LIFETIME).build())
    }
}

impl UnknownTokens {
    /// Whether a token that this instance does not know may be right. `synced_at` is when it last synchronised.
    pub fn may_be_right(&self, token: &str, role: Role, synced_at: Option<Timestamp>, now: Timestamp) -> bool {
        if role != Role::Dependent {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        let first = self.0.get_with(hasher.finish(), || now);
        synced_at.is_none_or(|synced_at| synced_at < first + SYNCHRONISATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_wrong_once_the_dependent_synchronised_after_it_was_presented() {
        let tokens = UnknownTokens::default();
        let start = Timestamp::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let asked = |token, synced_at, now| tokens.may_be_right(token, Role::Dependent, synced_at, now);
        assert!(asked("a", None, start));
        assert!(asked("a", Some(start), after(1)));
        assert!(asked("a", Some(after(29)), after(29)), "the primary's answer may be older");
        assert!(!asked("a", Some(after(31)), after(31)));
        assert!(asked("b", Some(after(31)), after(31)), "another one");
        for role in [Role::Standalone, Role::Primary] {
            assert!(!tokens.may_be_right("c", role, None, start), "tokens are made here");
        }
    }
}
