//! The `Retry-After` header (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};

use super::availability::MAX_RETRY_AFTER;

/// The pause that a response asks for, in seconds or as a date; at most a day. `None` without the header, and when it is
/// neither. `received_at` stands in for a missing `Date` header.
pub fn retry_after(headers: &HeaderMap, received_at: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let requested = text(header::RETRY_AFTER)?;
    let pause = match requested.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only digits: a number that does not parse is too large.
        true => Duration::from_secs(requested.parse().unwrap_or(u64::MAX)),
        false => {
            let until = httpdate::parse_http_date(requested).ok()?;
            // The date is by the backend's clock, which its `Date` header shows.
            let now = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
            until.duration_since(now.unwrap_or(received_at)).unwrap_or_default()
        }
    };
    Some(pause.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 02 Jan 2026 03:04:05 GMT
    const RECEIVED_AT: Duration = Duration::from_secs(1_767_323_045);

    fn parsed(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().unwrap());
        }
        super::retry_after(&headers, SystemTime::UNIX_EPOCH + RECEIVED_AT)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parsed("7", None), Some(Duration::from_secs(7)));
        let date = Some("Fri, 02 Jan 2026 03:04:15 GMT");
        assert_eq!(parsed("Fri, 02 Jan 2026 03:04:35 GMT", date), Some(Duration::from_secs(20)));
        assert_eq!(parsed("Fri, 02 Jan 2026 03:04:35 GMT", None), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_retry_after_that_makes_no_sense_is_capped_or_ignored() {
        assert_eq!(parsed("99999999999999999999999", None), Some(MAX_RETRY_AFTER));
        assert_eq!(parsed("Thu, 01 Jan 1970 00:00:00 GMT", None), Some(Duration::ZERO));
        assert_eq!(parsed("soon", None), None);
        assert_eq!(parsed("-1", None), None);
    }
}
