//! The sockets that checks may have open, so that the descriptors of the process suffice and no peer takes those of others.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

/// The sockets of all checks. Each purpose has a share of its own: peers with many silent addresses wait for one another,
/// and never take the socket that the first address of another peer needs.
pub(super) struct Sockets {
    shares: Shares,
    first: Semaphore,
    second: Semaphore,
    further: Semaphore,
    held: Arc<Semaphore>,
}

/// With fewer sockets a share would be empty.
const FEWEST: usize = 12;

/// How many sockets there are for each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares {
    /// For the first address of a check, so one for each check.
    first: usize,
    /// For the second address, which is often that of the other family.
    second: usize,
    /// For the addresses after that. A peer may have many, and all may be silent.
    further: usize,
    /// For sessions that stay open between checks.
    held: usize,
}

/// The place of a session among those that stay open.
pub(in crate::check) struct HeldPermit {
    _permit: OwnedSemaphorePermit,
}

impl Sockets {
    /// At most `max_sockets` sockets, and at most `max_checks` checks that connect at the same time.
    pub fn new(max_sockets: usize, max_checks: usize) -> Self {
        let shares = Shares::of(max_sockets, max_checks);
        Self {
            shares,
            first: Semaphore::new(shares.first),
            second: Semaphore::new(shares.second),
            further: Semaphore::new(shares.further),
            held: Arc::new(Semaphore::new(shares.held)),
        }
    }

    /// How many checks can connect at the same time.
    pub fn max_checks(&self) -> usize {
        self.shares.first
    }

    /// How many sessions can stay open.
    pub fn max_held(&self) -> usize {
        self.shares.held
    }

    /// Waits for a socket for the address at `position`, from 0, among those of a peer; `None` when there is none until
    /// `until`.
    pub async fn acquire(&self, position: usize, until: Instant) -> Option<SemaphorePermit<'_>> {
        let share = match position {
            0 => &self.first,
            1 => &self.second,
            _ => &self.further,
        };
        // The semaphore is never closed.
        timeout_at(until, share.acquire()).await.ok()?.ok()
    }

    /// The place for one more session that stays open; `None` if there is none.
    pub fn hold(&self) -> Option<HeldPermit> {
        let permit = Arc::clone(&self.held).try_acquire_owned().ok()?;
        Some(HeldPermit { _permit: permit })
    }
}

impl Shares {
    /// Divides `max_sockets`. Checks come first; sessions that stay open get what checks do not need, because a peer without
    /// one is still checked.
    fn of(max_sockets: usize, max_checks: usize) -> Self {
        let total = max_sockets.clamp(FEWEST, Semaphore::MAX_PERMITS);
        let first = max_checks.min(total / 3 * 2).max(1);
        let more = first.min(total / FEWEST);
        Self { first, second: more, further: more, held: total - first - 2 * more }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_shares_are_within_the_limits(sockets in FEWEST.., checks in 1_usize..) {
            let Shares { first, second, further, held } = Shares::of(sockets, checks);
            prop_assert!(first + second + further + held <= sockets);
            prop_assert!((1..=checks).contains(&first) && second >= 1 && further >= 1);
            prop_assert!(second <= first && further <= first);
        }
    }

    #[test]
    fn what_checks_do_not_need_is_for_sessions() {
        let shares = |sockets, checks| {
            let Shares { first, second, further, held } = Shares::of(sockets, checks);
            [first, second, further, held]
        };
        assert_eq!(shares(192, 512), [128, 16, 16, 32]);
        assert_eq!(shares(1728, 512), [512, 144, 144, 928]);
        assert_eq!(shares(100_000, 512), [512, 512, 512, 98_464]);
        // Even so one peer can be checked.
        assert_eq!(shares(0, 0), [1, 1, 1, 9]);
    }
}
