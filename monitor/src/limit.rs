//! Rate limits for strangers: per address, per network that one stranger may have, and for all addresses together.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota,
    clock::{Clock, DefaultClock, QuantaInstant},
};

/// The caller, or all callers together, called too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// When the next call is allowed.
    pub retry_after: Duration,
}

/// A rate limit.
pub struct Limit {
    per_address: DefaultKeyedRateLimiter<Address>,
    per_site: DefaultKeyedRateLimiter<Site>,
    total: DefaultDirectRateLimiter,
    calls: AtomicU32,
    is_crowded: AtomicBool,
    hasher: RandomState,
}

/// How many times as often as one address a whole site may call.
const SITE_SHARE: u32 = 4;

/// The number of calls between two clean-ups, which drop the addresses that have their full limit again.
const CLEAN_UP_INTERVAL: u32 = 1024;

/// When more addresses are counted, those that call share [`CROWD`] limits, so that strangers with many addresses cannot fill
/// the memory.
const MAX_ADDRESSES: usize = 1 << 16;

const CROWD: u64 = 1024;

impl Limit {
    /// Allows `per_address` calls within `period`, four times as many of all addresses of a site, and `total` calls of all
    /// addresses; they may come in one burst. Both numbers are at least 1.
    pub fn new(period: Duration, per_address: u32, total: u32) -> Self {
        Self {
            per_address: DefaultKeyedRateLimiter::keyed(quota(period, per_address)),
            per_site: DefaultKeyedRateLimiter::keyed(quota(period, per_address.saturating_mul(SITE_SHARE))),
            total: DefaultDirectRateLimiter::direct(quota(period, total)),
            calls: AtomicU32::new(0),
            is_crowded: AtomicBool::new(false),
            hasher: RandomState::new(),
        }
    }

    /// Counts a call by `address`.
    ///
    /// # Errors
    ///
    /// When the call exceeds a limit.
    pub fn check(&self, address: IpAddr) -> Result<(), LimitExceeded> {
        if self.calls.fetch_add(1, Relaxed) % CLEAN_UP_INTERVAL == CLEAN_UP_INTERVAL - 1 {
            self.clean_up();
        }
        let (mut address, mut site) = (Address::of(address), Site::of(address));
        if self.is_crowded.load(Relaxed) {
            address = Address::Crowd(self.hasher.hash_one(address) % CROWD);
            site = Site::Crowd(self.hasher.hash_one(site) % CROWD);
        }
        // The caller's own limit comes first, so that one caller cannot use up the others.
        self.per_address.check_key(&address).map_err(|until| refusal(&until))?;
        self.per_site.check_key(&site).map_err(|until| refusal(&until))?;
        self.total.check().map_err(|until| refusal(&until))
    }

    fn clean_up(&self) {
        self.per_address.retain_recent();
        self.per_site.retain_recent();
        self.is_crowded.store(self.per_address.len() >= MAX_ADDRESSES, Relaxed);
    }
}

fn quota(period: Duration, calls: u32) -> Quota {
    let calls = NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period / calls.get()).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(calls)
}

fn refusal(until: &NotUntil<QuantaInstant>) -> LimitExceeded {
    LimitExceeded { retry_after: until.wait_time_from(DefaultClock::default().now()) }
}

/// The key by which calls are counted. For IPv6 it is the /64 network, because a caller usually has all its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address.
    V4(u32),
    /// The first 64 bits of an IPv6 address.
    V6(u64),
    /// One of the limits that addresses share when there are too many.
    Crowd(u64),
}

impl Address {
    /// The key of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// Networks that one stranger may well have: the /24 of an IPv4 address, and the /48 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Site {
    V4(u32),
    V6(u64),
    Crowd(u64),
}

/// The name of the network that one stranger may well have, in which an address is.
pub fn site_name(address: IpAddr) -> String {
    match Site::of(address) {
        Site::V4(network) => format!("v4/{network:06x}"),
        Site::V6(network) => format!("v6/{network:012x}"),
        Site::Crowd(nth) => format!("crowd/{nth}"),
    }
}

impl Site {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits() >> 8),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 80) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

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
        let LimitExceeded { retry_after } = limit.check(address("192.0.2.1")).unwrap_err();
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

    #[test]
    fn the_networks_of_one_site_have_a_limit_together() {
        let limit = Limit::new(HOUR, 1, 100);
        for (format, other) in [("2001:db8:1:{}::1", "2001:db8:2::1"), ("198.51.100.{}", "198.51.101.1")] {
            for nth in 0..SITE_SHARE {
                limit.check(address(&format.replace("{}", &nth.to_string()))).unwrap();
            }
            assert!(limit.check(address(&format.replace("{}", "99"))).is_err());
            limit.check(address(other)).unwrap();
        }
    }

    #[test]
    fn the_number_of_addresses_that_are_remembered_is_limited() {
        let limit = Limit::new(HOUR, 1, u32::MAX);
        for nth in 0..2 * MAX_ADDRESSES as u128 {
            // Each is of a site of its own.
            limit.check(IpAddr::from(Ipv6Addr::from_bits(nth << 80))).ok();
        }
        let most = MAX_ADDRESSES + CLEAN_UP_INTERVAL as usize + CROWD as usize;
        assert!(limit.per_address.len() <= most && limit.per_site.len() <= most, "{}", limit.per_address.len());
    }
}
