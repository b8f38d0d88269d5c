//! Conversions between columns and domain values.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use easytier_probe::{CheckResult, FailureCode, PeerUrl, Relay, Stage, Status};
use uuid::Uuid;

use crate::{
    domain::{Timestamp, Verdict},
    error::StoreError,
};

/// Tags or regions joined with commas, which no label contains.
pub(super) fn labels<T: FromStr + Ord>(joined: Option<String>) -> BTreeSet<T> {
    joined.iter().flat_map(|list| list.split(',')).filter_map(|label| label.parse().ok()).collect()
}

pub(super) fn url(text: &str) -> Result<PeerUrl, StoreError> {
    text.parse().map_err(|error| StoreError::Corrupt(format!("peers.url: {error}")))
}

pub(super) fn verdict(code: i64) -> Result<Verdict, StoreError> {
    let verdict = usize::try_from(code).ok().and_then(|code| Verdict::ALL.get(code));
    verdict.copied().ok_or_else(|| StoreError::Corrupt(format!("verdict {code}")))
}

pub(super) fn status_code(status: Status) -> i64 {
    match status {
        Status::Offline => 1,
        Status::Online => 2,
        _ => 0,
    }
}

pub(super) fn status(code: i64) -> Status {
    match code {
        1 => Status::Offline,
        2 => Status::Online,
        _ => Status::Unknown,
    }
}

pub(super) fn stage(name: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.as_str() == name)
}

/// `None` also for a code that only a newer hub knows.
pub(super) fn failure_code(name: Option<String>) -> Option<FailureCode> {
    let name = name?;
    FailureCode::ALL.iter().copied().find(|code| code.as_str() == name)
}

pub(super) fn relay(name: Option<String>) -> Option<Relay> {
    let name = name?;
    Relay::ALL.into_iter().find(|relay| relay.name() == name)
}

/// The outcome of a result `d`: everything but its peer, probe and time.
#[derive(sqlx::FromRow)]
pub(super) struct ResultRow {
    pub status: i64,
    pub response_us: Option<i64>,
    pub min_us: Option<i64>,
    pub max_us: Option<i64>,
    pub stage: String,
    pub error: Option<String>,
    pub message: Option<String>,
    pub version: Option<String>,
    pub hostname: Option<String>,
    pub network_count: Option<i64>,
    pub relay: Option<String>,
    pub relay_error: Option<String>,
    pub relay_us: Option<i64>,
    pub certificate_expires_at: Option<Timestamp>,
}

/// Text without NUL characters, which PostgreSQL cannot store.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// The columns of a [`ResultRow`].
macro_rules! result_columns {
    () => {
        "d.status, d.response_us, d.min_us, d.max_us, d.stage, d.error, d.message, d.version, d.hostname, \
         d.network_count, d.relay, d.relay_error, d.relay_us, d.certificate_expires_at"
    };
}
pub(super) use result_columns;

/// A result `d` as a probe sent it, without its peer.
#[derive(sqlx::FromRow)]
pub(super) struct SentRow {
    result_id: Uuid,
    checked_at: Timestamp,
    checks: i64,
    healthy: i64,
    #[sqlx(flatten)]
    result: ResultRow,
}

/// The columns of a [`SentRow`].
macro_rules! sent_columns {
    () => {
        concat!("d.result_id, d.checked_at, d.checks, d.healthy, ", $crate::store::rows::result_columns!())
    };
}
pub(super) use sent_columns;

impl SentRow {
    /// The result in the row `row`, about the peer with this id.
    pub(super) fn into_result(self, row: i64, peer_id: i64) -> Result<CheckResult, StoreError> {
        let millis = |micros: Option<i64>| micros.map(|micros| micros as f64 / 1000.0);
        let result = self.result;
        let stage = stage(&result.stage)
            .ok_or_else(|| StoreError::Corrupt(format!("results.stage of row {row}: {}", result.stage)))?;
        Ok(CheckResult {
            id: self.result_id,
            peer_id,
            checked_at: self.checked_at.into(),
            checks: count(self.checks),
            healthy: Some(count(self.healthy)),
            status: status(result.status),
            response_time: millis(result.response_us),
            min_ms: millis(result.min_us),
            max_ms: millis(result.max_us),
            stage,
            error: failure_code(result.error),
            message: result.message,
            version: result.version,
            hostname: result.hostname,
            network_count: result.network_count.map(count),
            relay: relay(result.relay),
            relay_error: result.relay_error,
            relay_ms: millis(result.relay_us),
            certificate_expires_at: result.certificate_expires_at.map(Into::into),
            listing: None,
        })
    }
}

pub(super) fn duration(millis: Option<i64>) -> Option<Duration> {
    millis.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis)
}

/// A count as an unsigned number; it is never negative in the database.
pub(super) fn count<T: TryFrom<i64> + Default>(value: i64) -> T {
    T::try_from(value).unwrap_or_default()
}

/// The condition that the name, URL or description of a peer `p` matches the pattern `$1` of [`contains`], if there is one.
macro_rules! matches_search {
    (sqlite) => {
        "($1 IS NULL OR lower(p.name) LIKE $1 ESCAPE '\\' OR lower(p.url) LIKE $1 ESCAPE '\\' \
         OR lower(p.description) LIKE $1 ESCAPE '\\')"
    };
    (postgres) => {
        "($1 IS NULL OR lower(p.name COLLATE \"C\") LIKE $1 ESCAPE '\\' OR lower(p.url) LIKE $1 ESCAPE '\\' \
         OR lower(p.description COLLATE \"C\") LIKE $1 ESCAPE '\\')"
    };
}
pub(super) use matches_search;

/// A `LIKE` pattern that finds `text` anywhere, with `\` as the escape character. It ignores the case of ASCII letters; on
/// SQLite `lower` knows no others.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars().filter(|c| *c != '\0') {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}
