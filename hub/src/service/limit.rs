//! Rate limits for strangers: per address, and for all addresses together.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota,
    clock::{Clock, DefaultClock, QuantaInstant},
};

use super::ServiceError;

/// A rate limit.
pub struct Limit {
    per_address: DefaultKeyedRateLimiter<Caller>,
    total: DefaultDirectRateLimiter,
    calls: AtomicU32,
}

/// The number of calls between two clean-ups, which drop the addresses that have their full limit again.
const CLEAN_UP_INTERVAL: u32 = 1024;

impl Limit {
    /// Allows `per_address` calls within `period`, and `total` calls of all addresses; they may come in one burst. Both
    /// numbers are at least 1.
    pub fn new(period: Duration, per_address: u32, total: u32) -> Self {
        Self {
            per_address: DefaultKeyedRateLimiter::keyed(quota(period, per_address)),
            total: DefaultDirectRateLimiter::direct(quota(period, total)),
            calls: AtomicU32::new(0),
        }
    }

    /// Counts a call by `address`.
    ///
    /// # Errors
    ///
    /// When the call exceeds a limit.
    pub fn check(&self, address: IpAddr) -> Result<(), ServiceError> {
        if self.calls.fetch_add(1, Relaxed) % CLEAN_UP_INTERVAL == CLEAN_UP_INTERVAL - 1 {
            self.per_address.retain_recent();
        }
        // The caller's own limit comes first, so that one caller cannot use up the total limit.
        self.per_address.check_key(&Caller::of(address)).map_err(|until| refusal(&until))?;
        self.total.check().map_err(|until| refusal(&until))
    }
}

fn quota(period: Duration, calls: u32) -> Quota {
    let calls = NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period / calls.get()).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(calls)
}

fn refusal(until: &NotUntil<QuantaInstant>) -> ServiceError {
    ServiceError::RateLimited { retry_after: until.wait_time_from(DefaultClock::default().now()) }
}

/// The key by which calls are counted. For IPv6 it is the /64 network, because a caller usually has all its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    V4(u32),
    V6(u64),
}

impl Caller {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_calls_too_often_is_told_when_to_come_back() {
        let limit = Limit::new(HOUR, 2, 100);
        for _ in 0..2 {
            limit.check(address("192.0.2.1")).unwrap();
        }
        let refusal = limit.check(address("192.0.2.1")).unwrap_err();
        let ServiceError::RateLimited { retry_after } = refusal else { panic!("{refusal:?}") };
        assert!(retry_after > Duration::ZERO && retry_after <= HOUR / 2, "{retry_after:?}");
        limit.check(address("192.0.2.2")).unwrap();
    }

    #[test]
    fn all_addresses_together_have_a_limit_too() {
        let limit = Limit::new(HOUR, 2, 3);
        for nth in 1..=3 {
            limit.check(IpAddr::from([192, 0, 2, nth])).unwrap();
        }
        assert!(limit.check(address("192.0.2.99")).is_err());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_caller() {
        let limit = Limit::new(HOUR, 1, 100);
        limit.check(address("2001:db8::1")).unwrap();
        assert!(limit.check(address("2001:db8::2")).is_err());
        limit.check(address("2001:db8:0:1::1")).unwrap();
    }
}
