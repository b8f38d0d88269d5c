//! When a request that failed is sent again.

use std::time::{Duration, SystemTime};

use rand::RngExt;
use reqwest::header::{self, HeaderMap};

/// The longest wait that is taken from a `Retry-After`: what asks for more has not been thought through.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How often, and how far apart, a request is sent again while the caller's deadline lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent in all, counting a round through all base URLs as once.
    pub rounds: u32,
    /// The longest pause after the first round; it doubles with every further one.
    pub first_pause: Duration,
    /// No pause is longer than this, unless the backend asks for it.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { rounds: 5, first_pause: Duration::from_millis(500), longest_pause: Duration::from_secs(10) }
    }
}

impl RetryPolicy {
    /// The pause after round `round`, counted from 0: between half and the whole of the doubled time, so that probes
    /// which failed together do not come back together.
    pub fn pause(&self, round: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(round));
        doubled.min(self.longest_pause).mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// The wait that an answer asks for by `Retry-After`, in either of its forms.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    let wait = match asked.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only digits, so that a number which does not parse is too large.
        true => Duration::from_secs(asked.parse().unwrap_or(u64::MAX)),
        false => {
            let until = httpdate::parse_http_date(asked).ok()?;
            // The date is by the backend's clock, which the answer tells too.
            let now = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
            until.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let policy = RetryPolicy {
            rounds: 10,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_millis(700),
        };
        for (round, most) in [(0, 100), (1, 200), (2, 400), (3, 700), (40, 700), (u32::MAX, 700)] {
            let most = Duration::from_millis(most);
            for _ in 0..50 {
                let pause = policy.pause(round);
                assert!(pause >= most / 2 && pause <= most, "{pause:?} after round {round}");
            }
        }
    }

    fn asked(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().unwrap());
        }
        super::retry_after(&headers)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(asked("7", None), Some(Duration::from_secs(7)));
        assert_eq!(
            asked("Fri, 02 Jan 2026 03:04:35 GMT", Some("Fri, 02 Jan 2026 03:04:05 GMT")),
            Some(Duration::from_secs(30))
        );
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = asked(&soon, None).unwrap();
        assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100), "{wait:?}");
    }

    #[test]
    fn a_retry_after_that_makes_no_sense_is_bounded_or_ignored() {
        assert_eq!(asked("99999999999999999999999", None), Some(LONGEST_RETRY_AFTER));
        assert_eq!(asked("Thu, 01 Jan 1970 00:00:00 GMT", None), Some(Duration::ZERO));
        assert_eq!(asked("soon", None), None);
        assert_eq!(asked("-1", None), None);
    }
}
