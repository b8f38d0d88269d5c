//! What a backend client is told.

use std::{fmt, str::FromStr, time::Duration};

use super::{base_url::BaseUrl, retry::RetryPolicy};
use crate::Secret;

/// The peers of a page that our hub gives when it is not told a number.
pub const DEFAULT_PAGE_SIZE: u32 = 500;

/// Where the backend is, who we are to it, and how patient we are.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// The addresses of one backend, at least one, tried in this order.
    pub base_urls: Vec<BaseUrl>,
    pub api_key: Option<Secret>,
    pub node_token: Option<Secret>,
    /// With it [`Backend::register`](super::Backend::register) gets a node token where there is none.
    pub enrollment_key: Option<Secret>,
    pub region: Option<String>,
    pub report_style: ReportStyle,
    /// The peers of a page, 1 to 5000; only our hub is asked for a number.
    pub page_size: u32,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long the backend may stay silent within an answer, or before it.
    pub read_timeout: Duration,
    pub retry: RetryPolicy,
    /// How long another base URL is used before the first one is tried again.
    pub return_after: Duration,
    /// How long an endpoint that the backend lacks is left alone before it is asked again.
    pub ask_again_after: Duration,
}

impl BackendConfig {
    /// The defaults, without credentials.
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
            ask_again_after: Duration::from_secs(3600),
        }
    }
}

/// How a backend is told what became of its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReportStyle {
    /// `Results` when the backend says that it is ours, else `Status`.
    #[default]
    Auto,
    /// Every result, in batches, by `POST /results`.
    Results,
    /// Not at all: the probe's own `PUT /nodes/status`, which every style sends, is all.
    Status,
    /// One `PUT /nodes/{id}/status` for every result.
    PerNode,
}

impl ReportStyle {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Auto, "auto"), (Self::Results, "results"), (Self::Status, "status"), (Self::PerNode, "per-node")];
}

impl fmt::Display for ReportStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL[*self as usize].1)
    }
}

/// The text names no report style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write one of auto, results, status, per-node")]
pub struct ReportStyleError;

impl FromStr for ReportStyle {
    type Err = ReportStyleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(style, _)| *style).ok_or(ReportStyleError)
    }
}
