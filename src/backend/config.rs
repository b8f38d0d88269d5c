//! The configuration of a backend client.

use std::{fmt, str::FromStr, time::Duration};

use super::{availability::RetryPolicy, base_url::BaseUrl};
use crate::Secret;

/// How many peers a page of our hub holds by default.
pub const DEFAULT_PAGE_SIZE: u32 = 500;

/// The base URLs of the backend, the credentials, and the timeouts and retries of requests.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// The base URLs of one backend, at least one, in order of preference.
    pub base_urls: Vec<BaseUrl>,
    /// Sent as `X-API-Key`, and as bearer token of requests that need no other.
    pub api_key: Option<Secret>,
    /// Sent as `X-Node-Token`, and as bearer token where the probe itself must be identified.
    pub node_token: Option<Secret>,
    /// [`Backend::register`](super::Backend::register) exchanges it for a node token, if there is none.
    pub enrollment_key: Option<Secret>,
    /// The region whose peers are watched; `None`: the backend decides.
    pub region: Option<String>,
    /// In which form results are reported.
    pub report_style: ReportStyle,
    /// How many peers to request per page, 1 to 5000. Only our hub is asked for a number.
    pub page_size: u32,
    /// How long it may take to open a connection.
    pub connect_timeout: Duration,
    /// How long the backend may stay silent before or within a response.
    pub read_timeout: Duration,
    /// When a failed request is sent again within one call.
    pub retry: RetryPolicy,
    /// After a failover: how long another base URL is used before the first one is tried again.
    pub return_after: Duration,
    /// How long the client does not retry a route that the backend lacks.
    pub missing_retry_after: Duration,
    /// How long all hubs must answer that they do not hold the listing that the client has, until it forgets that listing. Until
    /// then they take no results, so that none is refused for good.
    pub behind_patience: Duration,
    /// Whether the caller tests whether nodes relay that [`Delivery::test_relay`](super::Delivery::test_relay) names. A hub hands
    /// out tests only to those that do.
    pub tests_relay: bool,
    /// Gives the header `traceparent` for the request of the current span, so that the backend can continue its trace.
    pub traceparent: Option<fn() -> Option<String>>,
}

impl BackendConfig {
    /// The default configuration, without credentials: timeouts of 5 s to connect and 15 s to read, return to the
    /// first base URL after 5 minutes, missing routes retried after an hour.
    pub fn new(base_urls: Vec<BaseUrl>) -> Self {
        Self {
            base_urls,
            api_key: None,
            node_token: None,
            enrollment_key: None,
            region: None,
            report_style: ReportStyle::Auto,
            page_size: DEFAULT_PAGE_SIZE,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(15),
            retry: RetryPolicy::default(),
            return_after: Duration::from_secs(300),
            missing_retry_after: Duration::from_secs(3600),
            behind_patience: Duration::from_secs(600),
            tests_relay: false,
            traceparent: None,
        }
    }
}

/// In which form a backend gets the results of checks. The probe's own status is reported in every style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReportStyle {
    /// `Results` if the backend identifies itself as our hub, else `Status`.
    #[default]
    Auto,
    /// Every result, in batches, by `POST /results`.
    Results,
    /// No results: only the probe's own status, by `PUT /nodes/status`.
    Status,
    /// One `PUT /nodes/{id}/status` per result.
    PerNode,
    /// As NeoUptime: nodes are listed by `GET /node-status` and `GET /nodes/{id}/private-info`, and each result is a `POST
    /// /nodes/{id}/heartbeat`.
    Neo,
}

impl ReportStyle {
    const ALL: [Self; 5] = [Self::Auto, Self::Results, Self::Status, Self::PerNode, Self::Neo];

    /// Whether each result is a report of its own, that holds no time and cannot express `Unknown`.
    pub fn is_per_node(self) -> bool {
        matches!(self, Self::PerNode | Self::Neo)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Results => "results",
            Self::Status => "status",
            Self::PerNode => "per-node",
            Self::Neo => "neo",
        }
    }
}

impl fmt::Display for ReportStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a report style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write one of auto, results, status, per-node, neo")]
pub struct ReportStyleError;

impl FromStr for ReportStyle {
    type Err = ReportStyleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|style| style.as_str() == text).ok_or(ReportStyleError)
    }
}
