//! How often strangers may do what costs the hub something: so often per address, and so often in all.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use axum::http::StatusCode;
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota,
    clock::{Clock, DefaultClock, QuantaInstant},
};

use super::error::Refusal;

/// The limits, one a purpose.
pub(super) struct Limits {
    /// `POST /api/nodes`.
    pub submissions: Limit,
    /// `POST /api/test_connection`: each opens connections to an address that the caller names.
    pub connection_tests: Limit,
    /// Each costs tens of milliseconds of CPU, right or wrong.
    pub logins: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            submissions: Limit::new(per(HOUR, 20), per(HOUR, 1000)),
            connection_tests: Limit::new(per(MINUTE, 6), per(MINUTE, 60)),
            logins: Limit::new(per(MINUTE, 10), per(MINUTE, 120)),
        }
    }
}

/// `times` within `period`, all at once if need be.
fn per(period: Duration, times: u32) -> Quota {
    let burst = NonZeroU32::new(times).expect("a limit allows something");
    Quota::with_period(period / times).expect("a period is no point in time").allow_burst(burst)
}

/// One limit.
pub(super) struct Limit {
    per_address: DefaultKeyedRateLimiter<Caller>,
    in_all: DefaultDirectRateLimiter,
    calls: AtomicU32,
}

/// After so many calls the addresses are forgotten that have been away for so long that it makes no difference.
const TIDY_AFTER: u32 = 1024;

impl Limit {
    fn new(per_address: Quota, in_all: Quota) -> Self {
        Self {
            per_address: DefaultKeyedRateLimiter::keyed(per_address),
            in_all: DefaultDirectRateLimiter::direct(in_all),
            calls: AtomicU32::new(0),
        }
    }

    /// Counts one more call by `address`; a refusal (429) when it is one too many.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        if self.calls.fetch_add(1, Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            self.per_address.retain_recent();
        }
        // The caller's own limit first, so that one caller alone cannot use up everybody's.
        self.per_address.check_key(&Caller::of(address)).map_err(|until| refusal(&until))?;
        self.in_all.check().map_err(|until| refusal(&until))
    }
}

fn refusal(until: &NotUntil<QuantaInstant>) -> Refusal {
    let wait = until.wait_time_from(DefaultClock::default().now());
    Refusal {
        retry_after: Some(wait.as_secs() + 1),
        ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; try again later")
    }
}

/// Whom calls are counted for. Of an IPv6 address the network alone counts: whoever has one address of a /64 has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Caller(u64, bool);

impl Caller {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits()), false),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_calls_too_often_is_told_when_to_come_back() {
        let limit = Limit::new(per(Duration::from_secs(3600), 2), per(Duration::from_secs(3600), 100));
        for _ in 0..2 {
            limit.check(address("192.0.2.1")).unwrap();
        }
        let refusal = limit.check(address("192.0.2.1")).unwrap_err();
        assert_eq!(refusal.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refusal.retry_after.is_some_and(|seconds| (1..=1801).contains(&seconds)), "{refusal:?}");
        limit.check(address("192.0.2.2")).unwrap();
    }

    #[test]
    fn all_addresses_together_have_a_limit_too() {
        let limit = Limit::new(per(Duration::from_secs(3600), 2), per(Duration::from_secs(3600), 3));
        for nth in 1..=3 {
            limit.check(IpAddr::from([192, 0, 2, nth])).unwrap();
        }
        assert!(limit.check(address("192.0.2.99")).is_err());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_caller() {
        let limit = Limit::new(per(Duration::from_secs(3600), 1), per(Duration::from_secs(3600), 100));
        limit.check(address("2001:db8::1")).unwrap();
        assert!(limit.check(address("2001:db8::2")).is_err());
        limit.check(address("2001:db8:0:1::1")).unwrap();
    }
}
