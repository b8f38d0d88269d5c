//! The client of the backend contract: [`Backend`] fetches peers and reports what became of them, at our hub and at
//! backends that others wrote.
//!
//! A backend is ours when it says so by a header on its answers; the parts of the contract that only ours knows are
//! used with no other. Every call has a deadline of the caller's, within which it is sent again where that can help.

mod attempts;
mod base;
mod base_url;
mod config;
mod credentials;
mod error;
mod http;
mod listing;
mod registry;
mod report;
mod retry;
mod wire;

use std::{fmt, sync::Arc};

use reqwest::Method;
use tokio::time::Instant;

use self::{
    attempts::Attempts,
    base::{Base, Bases, Kind},
    http::{Http, Request},
};
pub use self::{
    base_url::{BaseUrl, BaseUrlError, is_loopback},
    config::{BackendConfig, DEFAULT_PAGE_SIZE, ReportStyle, ReportStyleError},
    error::BackendError,
    listing::{Claim, ClaimRequest, Cursor, PeerPage},
    registry::{Registered, Registration, System},
    report::{Delivery, MAX_BATCH, PER_NODE_AT_ONCE, Rejected, Reported, StatusReport},
    retry::RetryPolicy,
};

/// The longest answer but a listing, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// A backend, at one or several base URLs. Cheap to clone; clones share connections and what was learnt.
///
/// It must be used within a tokio runtime with I/O and time enabled. Each method gives up at its `deadline`, and
/// earlier when sending the request again is of no use, or was of none [`RetryPolicy::rounds`] times.
#[derive(Clone)]
pub struct Backend {
    shared: Arc<Shared>,
}

struct Shared {
    config: BackendConfig,
    http: Http,
    bases: Bases,
}

impl Backend {
    /// A client; nothing is sent. It fails when a credential cannot be sent, when there is no base URL, or when the
    /// system has no CA certificates for an `https` one.
    pub fn new(config: BackendConfig) -> Result<Self, BackendError> {
        if config.base_urls.is_empty() {
            return Err(BackendError::Unusable("no backend is named; set BACKEND_BASE_URL".to_owned()));
        }
        let http = Http::new(&config)?;
        let bases = Bases::new(config.base_urls.clone(), config.return_after);
        Ok(Self { shared: Arc::new(Shared { config, http, bases }) })
    }

    /// Attempts at all base URLs.
    fn attempts(&self, deadline: Instant) -> Attempts<'_> {
        Attempts::new(&self.shared.bases, self.shared.bases.order(), self.shared.config.retry, deadline)
    }

    /// Attempts at one base URL alone.
    fn attempts_at(&self, position: usize, deadline: Instant) -> Attempts<'_> {
        Attempts::new(&self.shared.bases, vec![position], self.shared.config.retry, deadline)
    }

    /// Whose backend it is, or `Unknown` when nothing tells; asks as long as nothing did. An answer without the header of
    /// ours may be anybody's, such as a page of what stands in front of a hub: only a listing makes a backend a foreign one.
    async fn kind_of(&self, base: &Base, deadline: Instant) -> Result<Kind, BackendError> {
        for method in [Method::HEAD, Method::GET] {
            if base.kind() != Kind::Unknown {
                break;
            }
            let request = Request { method, ..listing::peers_request(self.region_query(), false) };
            match self.shared.http.send(base, &request, deadline).await {
                Ok(answer) => listing::learn_from(base, &answer),
                // Not every backend knows the method.
                Err(BackendError::Refused { .. } | BackendError::Lacking { status: 405 | 501, .. }) => {}
                Err(error) if base.kind() == Kind::Unknown => return Err(error),
                Err(_) => {}
            }
        }
        Ok(base.kind())
    }

    fn region_query(&self) -> Vec<(&'static str, String)> {
        self.shared.config.region.iter().map(|region| ("region", region.clone())).collect()
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
