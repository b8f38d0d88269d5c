//! [`Backend`], and what its calls have in common: the retry loop, requests with a JSON body, and the
//! identification of the backend's software.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::Method;
use serde::Serialize;
use tokio::time::Instant;
use tracing::warn;

use super::{
    config::BackendConfig,
    credentials::Bearer,
    documents::{Envelope, PeersData},
    endpoint::{BackendKind, Endpoint, Endpoints, OptionalRoute},
    error::BackendError,
    http::{Http, Request, Response},
    retry::RetryLoop,
};
use crate::{ListingVersion, Secret};

/// The maximum length of a page of peers, in bytes.
const MAX_PAGE: usize = 32 << 20;

/// The maximum length of every other response, in bytes.
const MAX_RESPONSE: usize = 4 << 20;

/// The client of a backend with one or several base URLs. Cheap to clone; clones share connections and the knowledge
/// about the backend.
///
/// It must be used within a tokio runtime with I/O and time enabled. Every call takes a `deadline`. It gives up
/// earlier when a retry would not help, and after [`RetryPolicy::max_rounds`](super::RetryPolicy::max_rounds) rounds.
#[derive(Clone)]
pub struct Backend {
    shared: Arc<Shared>,
}

struct Shared {
    config: BackendConfig,
    http: Http,
    endpoints: Endpoints,
    listings: Mutex<Listings>,
}

/// Versions of the listing.
#[derive(Debug, Default)]
struct Listings {
    /// That which was fetched last.
    current: Option<ListingVersion>,
    /// No hub has this one any more, nor those between it and the current one.
    forgotten: Option<ListingVersion>,
}

/// Whether a backend accepted a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reported {
    /// The backend accepted it.
    Accepted,
    /// The backend does not have the route, or it is not asked because the route was missing less than
    /// [`BackendConfig::missing_retry_after`] ago.
    Unsupported,
}

impl Backend {
    /// Makes a client. Nothing is sent.
    ///
    /// # Errors
    /// [`BackendError::Unusable`] if there is no base URL, if a credential holds characters that a header cannot carry,
    /// or if a base URL is `https` and the system has no CA certificates.
    pub fn new(config: BackendConfig) -> Result<Self, BackendError> {
        if config.base_urls.is_empty() {
            return Err(BackendError::Unusable("no backend is named; set BACKEND_BASE_URL".to_owned()));
        }
        let http = Http::new(&config)?;
        let endpoints = Endpoints::new(config.base_urls.clone(), config.return_after, config.missing_retry_after);
        Ok(Self { shared: Arc::new(Shared { config, http, endpoints, listings: Mutex::default() }) })
    }

    /// The token that identifies the probe to the backend, if it has one.
    pub fn node_token(&self) -> Option<Secret> {
        self.config().node_token.clone()
    }

    pub(super) fn config(&self) -> &BackendConfig {
        &self.shared.config
    }

    pub(super) fn http(&self) -> &Http {
        &self.shared.http
    }

    /// The endpoint at a position that a [`RetryLoop`] gave.
    pub(super) fn endpoint(&self, position: usize) -> &Endpoint {
        self.shared.endpoints.get(position)
    }

    /// A retry loop over all endpoints.
    pub(super) fn retry_loop(&self, deadline: Instant) -> RetryLoop<'_> {
        let Shared { config, endpoints, .. } = &*self.shared;
        RetryLoop::new(endpoints, endpoints.order(), config.retry, deadline)
    }

    /// A retry loop over one endpoint only.
    pub(super) fn retry_loop_at(&self, position: usize, deadline: Instant) -> RetryLoop<'_> {
        let Shared { config, endpoints, .. } = &*self.shared;
        RetryLoop::new(endpoints, vec![position], config.retry, deadline)
    }

    /// Returns whether an endpoint is our hub or a third-party backend, sending `HEAD` and then `GET /peers` while that
    /// is unknown. Only a successful listing of peers *without* `x-uptime-hub` marks it as third-party; an error page
    /// of a reverse proxy does not.
    pub(super) async fn identify(&self, endpoint: &Endpoint, deadline: Instant) -> Result<BackendKind, BackendError> {
        for method in [Method::HEAD, Method::GET] {
            if endpoint.kind() != BackendKind::Unknown {
                break;
            }
            let request = Request { method, ..peers_request(self.region_query(), false) };
            match self.http().send(endpoint, &request, deadline).await {
                Ok(response) if !response.is_hub && lists_peers(&response) => {
                    endpoint.listed_as_third_party();
                }
                Ok(_) => {}
                // Some backends do not know the method.
                Err(BackendError::Refused { .. } | BackendError::NoSuchRoute { status: 405 | 501, .. }) => {}
                Err(error) if endpoint.kind() == BackendKind::Unknown => return Err(error),
                Err(_) => {}
            }
        }
        Ok(endpoint.kind())
    }

    /// The version of the listing that was fetched last, if a hub sent one. It is forgotten when no hub has it any more.
    pub(super) fn listing(&self) -> Option<ListingVersion> {
        self.listings().current
    }

    /// The version to name for results that were made under `listing`: none for one that no hub has any more.
    pub(super) fn listing_to_name(&self, listing: Option<ListingVersion>) -> Option<ListingVersion> {
        let Listings { current, forgotten } = *self.listings();
        listing.filter(|named| Some(*named) > forgotten || current.is_some_and(|current| *named <= current))
    }

    fn listings(&self) -> MutexGuard<'_, Listings> {
        let Shared { config, endpoints, listings, .. } = &*self.shared;
        let mut listings = listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lost) = endpoints.lost_listing(config.behind_patience) {
            warn!(
                "the backend answers for long that it does not have the list of peers that it sent before: the probe belongs \
                 to other hubs now, or they were restored from backups; it takes the list that they have"
            );
            *listings = Listings { current: None, forgotten: listings.forgotten.max(Some(lost)) };
        }
        listings
    }

    pub(super) fn set_listing(&self, version: Option<ListingVersion>) {
        self.listings().current = version;
        version.into_iter().for_each(|version| self.found_listing(version));
    }

    /// Records that an endpoint took what named the listing.
    pub(super) fn found_listing(&self, named: ListingVersion) {
        self.shared.endpoints.found_listing(named);
    }

    pub(super) fn region_query(&self) -> Vec<(&'static str, String)> {
        self.config().region.iter().map(|region| ("region", region.clone())).collect()
    }

    /// Sends a request to a route that some backends lack; `None` if this one does: `lacking` is what follows, for the log.
    /// `explained` makes an error say more.
    pub(super) async fn send_to_optional(
        &self,
        route: fn(&Endpoint) -> &OptionalRoute,
        lacking: &str,
        request: &Request<'_>,
        deadline: Instant,
        explained: fn(BackendError) -> BackendError,
    ) -> Result<Option<Response>, BackendError> {
        let mut retry = self.retry_loop(deadline);
        loop {
            let endpoint = retry.endpoint();
            if route(endpoint).is_missing() {
                return Ok(None);
            }
            match self.send_report(endpoint, request, retry.attempt_deadline()).await {
                Ok(response) => {
                    route(endpoint).set_working();
                    retry.succeeded();
                    return Ok(Some(response));
                }
                Err(BackendError::NoSuchRoute { answer, .. }) => {
                    route(endpoint).set_missing(&request.describe(endpoint), &answer, lacking);
                    return Ok(None);
                }
                Err(error) => retry.failed(explained(error)).await?,
            }
        }
    }

    /// Sends a request whose successful response has an empty body or a JSON object.
    pub(super) async fn send_report(
        &self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Response, BackendError> {
        let response = self.http().send(endpoint, request, deadline).await?;
        if response.body.iter().all(u8::is_ascii_whitespace) || Envelope::parse(&response.body).is_some() {
            return Ok(response);
        }
        let reason = "the answer is not a JSON object".to_owned();
        Err(BackendError::InvalidResponse { request: request.describe(endpoint), reason })
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("config", self.config()).finish_non_exhaustive()
    }
}

fn lists_peers(response: &Response) -> bool {
    Envelope::parse(&response.body).and_then(|envelope| envelope.data::<PeersData>()).is_some()
}

/// `GET /peers`
pub(super) fn peers_request(query: Vec<(&'static str, String)>, needs_token: bool) -> Request<'static> {
    Request {
        method: Method::GET,
        path: "/peers",
        query,
        body: None,
        bearer: Bearer::ApiKey,
        listing: None,
        needs_token,
        max_response: MAX_PAGE,
    }
}

/// A request with a JSON body, for which the backend requires a node token.
pub(super) fn report_request<'a>(
    method: Method,
    path: &'a str,
    body: &impl Serialize,
    bearer: Bearer,
) -> Result<Request<'a>, BackendError> {
    let body = serde_json::to_vec(body).map_err(|error| {
        BackendError::Unusable(format!("the body of {method} {path} cannot be written as JSON: {error}"))
    })?;
    Ok(Request {
        method,
        path,
        query: Vec::new(),
        body: Some(body),
        bearer,
        listing: None,
        needs_token: true,
        max_response: MAX_RESPONSE,
    })
}
