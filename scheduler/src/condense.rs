//! Condenses many checks of one peer into few results.
//!
//! A check that changes the status becomes a result at once, and so does the check that confirms the change, because a
//! hub accepts a change only after a second result with the same status. Checks without a change are condensed into one
//! result, so that a check every five seconds does not make a result every five seconds.

use easytier_probe::{CheckResult, Latency, Status};
use uuid::Uuid;

/// How many consecutive checks with a new status become separate results.
const CONFIRMED_BY: u32 = 2;

/// The maximum number of round trips in one median: an hour of checks every five seconds.
const MAX_ROUND_TRIPS: usize = 720;

/// The checks of one peer that are not part of a result yet.
#[derive(Debug, Default)]
pub struct Condenser {
    /// The status of the last check.
    status: Option<Status>,
    /// How many consecutive checks had this status, up to [`CONFIRMED_BY`].
    streak: u32,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    /// The newest check, which provides all fields that cannot be summed up.
    newest: CheckResult,
    checks: u32,
    /// Milliseconds.
    round_trips: Vec<f32>,
    min_ms: f64,
    max_ms: f64,
}

impl Condenser {
    /// The status of the last check.
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// Adds a check. When it changes the status, or confirms a change, returns the pending checks as one result, and the
    /// check itself.
    pub fn add(&mut self, check: CheckResult) -> [Option<CheckResult>; 2] {
        if self.status != Some(check.status) {
            (self.status, self.streak) = (Some(check.status), 0);
        }
        if self.streak < CONFIRMED_BY {
            self.streak += 1;
            return [self.flush(), Some(check)];
        }
        match &mut self.pending {
            Some(pending) => pending.add(check),
            None => self.pending = Some(Pending::new(check)),
        }
        [None, None]
    }

    /// Takes the pending checks as one result.
    pub fn flush(&mut self) -> Option<CheckResult> {
        self.pending.take().map(Pending::condensed)
    }
}

impl Pending {
    fn new(check: CheckResult) -> Self {
        let mut pending =
            Self { newest: check.clone(), checks: 0, round_trips: Vec::new(), min_ms: f64::MAX, max_ms: 0.0 };
        pending.add(check);
        pending
    }

    fn add(&mut self, check: CheckResult) {
        self.checks += check.checks;
        if let Some(round_trip) = check.response_time.filter(|_| self.round_trips.len() < MAX_ROUND_TRIPS) {
            self.round_trips.push(round_trip as f32);
        }
        self.min_ms = self.min_ms.min(check.min_ms.unwrap_or(f64::MAX));
        self.max_ms = self.max_ms.max(check.max_ms.unwrap_or(0.0));
        // The peer must have been the same in all checks, so the oldest list counts.
        let listing = self.newest.listing.min(check.listing);
        // A check on an open session sees no certificate.
        let certificate_expires_at = check.certificate_expires_at.or(self.newest.certificate_expires_at);
        // Few checks test whether the node relays.
        let tested = match check.relay {
            Some(_) => &check,
            None => &self.newest,
        };
        let (relay, relay_error, relay_ms) = (tested.relay, tested.relay_error.clone(), tested.relay_ms);
        self.newest = CheckResult { listing, certificate_expires_at, relay, relay_error, relay_ms, ..check };
    }

    fn condensed(self) -> CheckResult {
        let Self { mut newest, checks, round_trips, min_ms, max_ms } = self;
        if checks == newest.checks {
            return newest;
        }
        newest.id = Uuid::now_v7();
        newest.checks = checks;
        newest.healthy = Some(if newest.status == Status::Online { checks } else { 0 });
        let round_trips: Vec<_> =
            round_trips.into_iter().map(|ms| std::time::Duration::from_secs_f64(f64::from(ms) / 1000.0)).collect();
        if let Some(latency) = Latency::of(&round_trips, round_trips.len() as u32) {
            newest.response_time = Some(latency.median_ms);
            newest.min_ms = Some(min_ms).filter(|ms| *ms < f64::MAX);
            newest.max_ms = Some(max_ms);
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use easytier_probe::{FailureCode, ListingVersion, Relay, Stage};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn check(status: Status, ms: f64) -> CheckResult {
        let online = status == Status::Online;
        CheckResult {
            id: Uuid::now_v7(),
            peer_id: 1,
            checked_at: Utc::now(),
            checks: 1,
            healthy: Some(u32::from(online)),
            status,
            response_time: online.then_some(ms),
            min_ms: online.then_some(ms),
            max_ms: online.then_some(ms),
            stage: Stage::Ping,
            error: (!online).then_some(FailureCode::PingTimeout),
            message: None,
            version: None,
            hostname: None,
            network_count: None,
            relay: None,
            relay_error: None,
            relay_ms: None,
            certificate_expires_at: None,
            listing: None,
        }
    }

    /// The results of adding each of `checks`, as status and number of checks.
    fn results(condenser: &mut Condenser, checks: &[Status]) -> Vec<Vec<(Status, u32)>> {
        let of = |result: CheckResult| (result.status, result.checks);
        checks.iter().map(|status| condenser.add(check(*status, 1.0)).into_iter().flatten().map(of).collect()).collect()
    }

    #[test]
    fn a_certificate_that_one_of_the_checks_saw_is_not_lost() {
        let mut condenser = Condenser::default();
        let expires = Some(chrono::DateTime::UNIX_EPOCH);
        let with = |certificate_expires_at| CheckResult { certificate_expires_at, ..check(Status::Online, 1.0) };
        for certificate in [None, None, expires, None, None] {
            drop(condenser.add(with(certificate)).into_iter().flatten().collect::<Vec<_>>());
        }
        let condensed = condenser.flush().unwrap();
        assert_eq!((condensed.checks, condensed.certificate_expires_at), (3, expires));
    }

    #[test]
    fn what_a_test_found_is_not_lost_among_checks_without_one() {
        let mut condenser = Condenser::default();
        let tested = CheckResult { relay: Some(Relay::Ok), relay_ms: Some(1.5), ..check(Status::Online, 1.0) };
        for check in [check(Status::Online, 1.0), check(Status::Online, 1.0), tested, check(Status::Online, 1.0)] {
            drop(condenser.add(check).into_iter().flatten().collect::<Vec<_>>());
        }
        let condensed = condenser.flush().unwrap();
        assert_eq!((condensed.checks, condensed.relay, condensed.relay_ms), (2, Some(Relay::Ok), Some(1.5)));
    }

    use Status::{Offline, Online, Unknown};

    #[test]
    fn a_change_and_its_confirmation_are_results_at_once_and_other_checks_add_up() {
        let mut condenser = Condenser::default();
        let results =
            results(&mut condenser, &[Online, Online, Online, Online, Online, Offline, Offline, Offline, Online]);
        let expected: [&[_]; 9] = [
            &[(Online, 1)],
            &[(Online, 1)],
            &[],
            &[],
            &[],
            &[(Online, 3), (Offline, 1)],
            &[(Offline, 1)],
            &[],
            &[(Offline, 1), (Online, 1)],
        ];
        assert_eq!(results, expected);
        assert_eq!(condenser.flush(), None);
    }

    #[test]
    fn every_check_is_in_one_result() {
        let mut condenser = Condenser::default();
        let checks = [Online, Unknown, Online, Online, Online, Offline, Unknown, Unknown, Unknown, Unknown, Online];
        let mut sum: u32 = results(&mut condenser, &checks).iter().flatten().map(|(_, checks)| checks).sum();
        sum += condenser.flush().map_or(0, |result| result.checks);
        assert_eq!(sum, checks.len() as u32);
    }

    #[test]
    fn latency_is_that_of_all_checks_and_other_fields_are_those_of_the_newest() {
        let mut condenser = Condenser::default();
        for ms in [9.0, 9.0, 5.0, 1.0, 3.0] {
            condenser.add(check(Online, ms));
        }
        let mut newest = check(Online, 2.0);
        (newest.version, newest.min_ms, newest.max_ms) = (Some("2.6.4".into()), Some(0.5), Some(7.0));
        condenser.add(newest.clone());
        let result = condenser.flush().unwrap();
        assert_eq!((result.checks, result.healthy), (4, Some(4)));
        assert_eq!((result.min_ms, result.response_time, result.max_ms), (Some(0.5), Some(2.5), Some(7.0)));
        assert_eq!((result.checked_at, result.version), (newest.checked_at, newest.version));
        assert_ne!(result.id, newest.id);
    }

    #[test]
    fn failed_checks_have_no_latency() {
        let mut condenser = Condenser::default();
        for _ in 0..4 {
            condenser.add(check(Offline, 0.0));
        }
        let result = condenser.flush().unwrap();
        assert_eq!((result.checks, result.healthy, result.response_time), (2, Some(0), None));
        assert_eq!((result.min_ms, result.max_ms, result.error), (None, None, Some(FailureCode::PingTimeout)));
    }

    #[test]
    fn a_condensed_result_is_of_the_oldest_list_of_its_checks() {
        let mut condenser = Condenser::default();
        let version = |version| Some(ListingVersion { epoch: 1, version });
        for listing in [3, 3, 4, 5, 4].map(version) {
            drop(condenser.add(CheckResult { listing, ..check(Status::Online, 1.0) }));
        }
        assert_eq!(condenser.flush().map(|result| (result.checks, result.listing)), Some((3, version(4))));
    }
}
