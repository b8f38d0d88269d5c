//! The endpoints of a backend: the choice of the current one, and the known properties of each.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tracing::{debug, info, warn};

use super::{
    availability::Cooldown,
    base_url::BaseUrl,
    behind::{self, Behind},
};
use crate::ListingVersion;

/// Whose software a backend runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BackendKind {
    /// It has neither identified itself as a hub nor listed any peers.
    Unknown,
    /// Our hub: it has sent the header `x-uptime-hub`.
    Hub,
    /// It has listed peers without that header.
    ThirdParty,
}

/// How many listings in a row, with no answer of a hub in between, must come without the hub's header until a known hub
/// counts as a third-party backend. A proxy may strip the header of a few answers, or return them from a cache.
const MAX_UNMARKED_LISTINGS: u32 = 3;

/// A base URL of the backend, with the known properties of the server there.
pub(super) struct Endpoint {
    pub(super) url: BaseUrl,
    identity: Mutex<Identity>,
    /// `PUT /nodes/status`
    pub(super) status: OptionalRoute,
    /// `POST /results`
    pub(super) results: OptionalRoute,
    /// `PUT /nodes/{id}/status`
    pub(super) per_node: OptionalRoute,
    /// `/api/discovery/…`
    pub(super) registry: OptionalRoute,
    /// `/v1/reverse`
    pub(super) orders: OptionalRoute,
    /// Whether it lacks the listing that the probe has.
    pub(super) behind: Behind,
}

/// What the answers of a server show about its software.
struct Identity {
    kind: BackendKind,
    /// Listings without the hub's header since the last answer with it.
    unmarked_listings: u32,
}

impl Endpoint {
    fn new(url: BaseUrl, missing_retry_after: Duration) -> Self {
        let route = || OptionalRoute::new(missing_retry_after);
        Self {
            url,
            identity: Mutex::new(Identity { kind: BackendKind::Unknown, unmarked_listings: 0 }),
            status: route(),
            results: route(),
            per_node: route(),
            registry: route(),
            orders: route(),
            behind: Behind::default(),
        }
    }

    pub(super) fn kind(&self) -> BackendKind {
        self.identity().kind
    }

    /// Records an answer with the hub's header.
    pub(super) fn answered_as_hub(&self) {
        let mut identity = self.identity();
        let before = std::mem::replace(&mut *identity, Identity { kind: BackendKind::Hub, unmarked_listings: 0 });
        match before.kind {
            BackendKind::Hub => return,
            BackendKind::Unknown => debug!(backend = %self.url, "the backend identified itself as a hub"),
            BackendKind::ThirdParty => info!("the backend at {} identifies itself as a hub now", self.url),
        }
        // A hub has all routes: an earlier 404 came from a reverse proxy in front of it.
        for route in [&self.status, &self.results, &self.per_node, &self.registry, &self.orders] {
            route.missing.end();
        }
    }

    /// Records a listing of peers without the hub's header. A known hub stays a hub until
    /// [`MAX_UNMARKED_LISTINGS`] came in a row.
    pub(super) fn listed_as_third_party(&self) {
        let mut identity = self.identity();
        identity.unmarked_listings = identity.unmarked_listings.saturating_add(1);
        match (identity.kind, identity.unmarked_listings) {
            (BackendKind::ThirdParty, _) => return,
            (BackendKind::Unknown, _) => debug!(backend = %self.url, "identified a third-party backend"),
            (BackendKind::Hub, MAX_UNMARKED_LISTINGS..) => warn!(
                "the backend at {} listed peers {MAX_UNMARKED_LISTINGS} times without the header x-uptime-hub: it counts as \
                 a third-party backend now, and REPORT_STYLE=auto sends it no results; if it is a hub, see whether a \
                 proxy in front of it strips the header",
                self.url
            ),
            (BackendKind::Hub, unmarked) => {
                if unmarked == 1 {
                    warn!(
                        "the hub at {} listed peers without the header x-uptime-hub, and still counts as a hub; see \
                         whether a proxy in front of it strips headers or answers from a cache",
                        self.url
                    );
                }
                return;
            }
        }
        identity.kind = BackendKind::ThirdParty;
    }

    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A route of the contract that some backends lack.
pub(super) struct OptionalRoute {
    /// Active while the route is assumed to be missing.
    missing: Cooldown,
    was_logged: AtomicBool,
    has_worked: AtomicBool,
}

impl OptionalRoute {
    fn new(missing_retry_after: Duration) -> Self {
        Self { missing: Cooldown::new(missing_retry_after), was_logged: false.into(), has_worked: false.into() }
    }

    /// Whether the route was found missing recently, so that it should not be tried now.
    pub(super) fn is_missing(&self) -> bool {
        self.missing.is_active()
    }

    /// Records that the route is missing; logs a warning the first time.
    pub(super) fn set_missing(&self, request: &str, answer: &str, consequence: &str) {
        self.missing.begin();
        match self.was_logged.swap(true, Relaxed) {
            false => warn!("{request}: the backend seems to have no such endpoint ({answer}); {consequence}"),
            true => debug!(request, answer, "the backend still has no such endpoint"),
        }
    }

    /// Records that the route works.
    pub(super) fn set_working(&self) {
        self.has_worked.store(true, Relaxed);
        self.missing.end();
    }

    /// Whether the route has ever worked.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Relaxed)
    }
}

/// All endpoints of a backend, the preferred one first.
pub(super) struct Endpoints {
    list: Vec<Endpoint>,
    /// The position of the endpoint that worked last.
    current: AtomicUsize,
    /// Active while the first endpoint is not tried after a failover.
    first_left: Cooldown,
}

impl Endpoints {
    /// `return_after`: how long another endpoint is used before the first one is tried again. `missing_retry_after`:
    /// how long a missing route is not retried.
    pub(super) fn new(urls: Vec<BaseUrl>, return_after: Duration, missing_retry_after: Duration) -> Self {
        Self {
            list: urls.into_iter().map(|url| Endpoint::new(url, missing_retry_after)).collect(),
            current: AtomicUsize::new(0),
            first_left: Cooldown::new(return_after),
        }
    }

    pub(super) fn get(&self, position: usize) -> &Endpoint {
        &self.list[position]
    }

    /// The positions in the order to try them: the current endpoint and then the others. After `return_after` one
    /// caller starts with the first endpoint again; the others do not wait for it.
    pub(super) fn order(&self) -> Vec<usize> {
        let current = self.current.load(Relaxed);
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        if current != 0 && !self.first_left.begin_again() {
            order.retain(|position| *position != current);
            order.insert(0, current);
        }
        order
    }

    /// The listing that will not be found here any more, see [`behind::lost`]. It is returned once.
    pub(super) fn lost_listing(&self, patience: Duration) -> Option<ListingVersion> {
        let lost = behind::lost(self.list.iter().map(|endpoint| &endpoint.behind), patience)?;
        self.list.iter().for_each(|endpoint| endpoint.behind.end());
        Some(lost)
    }

    /// Records that an endpoint holds the listing.
    pub(super) fn found_listing(&self, named: ListingVersion) {
        self.list.iter().for_each(|endpoint| endpoint.behind.found(named));
    }

    /// Makes the endpoint at `position`, which has answered, the current one.
    pub(super) fn use_from_now_on(&self, position: usize) {
        let before = self.current.swap(position, Relaxed);
        if before == position {
            return;
        }
        let (now, before) = (&self.list[position].url, &self.list[before].url);
        if position == 0 {
            info!("back to the backend at {now}");
        } else {
            self.first_left.begin();
            warn!("the backend at {before} does not serve this probe; using {now} until it does");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn the_first_endpoint_is_tried_again_by_one_caller_in_each_period() {
        let urls = ["http://a", "http://b", "http://c"].map(|url| url.parse().unwrap());
        let endpoints = Endpoints::new(urls.into(), Duration::from_secs(60), HOUR);
        assert_eq!(endpoints.order(), [0, 1, 2]);

        endpoints.use_from_now_on(2);
        assert_eq!(endpoints.order(), [2, 0, 1]);
        for _ in 0..2 {
            advance(Duration::from_secs(60)).await;
            assert_eq!(endpoints.order(), [0, 1, 2]);
            assert_eq!(endpoints.order(), [2, 0, 1]);
        }
        endpoints.use_from_now_on(0);
        assert_eq!(endpoints.order(), [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_route_is_left_alone_for_an_hour() {
        let route = OptionalRoute::new(HOUR);
        assert!(!route.is_missing());
        route.set_missing("PUT http://a/nodes/status", "404 Not Found", "no consequence");
        advance(HOUR - Duration::from_secs(1)).await;
        assert!(route.is_missing());
        advance(Duration::from_secs(1)).await;
        assert!(!route.is_missing() && !route.has_worked());
        route.set_working();
        assert!(route.has_worked());
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_was_missing_is_asked_at_once_when_the_backend_turns_out_to_be_a_hub() {
        let endpoint = Endpoint::new("http://a".parse().unwrap(), HOUR);
        endpoint.registry.set_missing("POST http://a/api/discovery/register", "404 Not Found", "no consequence");
        endpoint.answered_as_hub();
        assert!(!endpoint.registry.is_missing());
    }
}
