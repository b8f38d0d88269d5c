//! Checks that somebody asks for now, from some regions or probes.

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc, time::Duration};

use easytier_probe::{Access, AddressPolicy, CheckMode, Origin, Peer, PeerUrl, Resolver};
use easytier_uptime_monitor::limit::Limit;
use easytier_uptime_store::{
    Conflict, Store, StoreError,
    domain::{CheckTarget, MAX_VANTAGES, NewCheck, PeerId, REQUEST_INTERVAL, RequestedCheck, Timestamp},
};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{FieldError, FieldProblem, ServiceError, orders::Orders};

/// The deadline of a check without one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The deadlines that a check may have, in milliseconds.
pub const CHECK_TIMEOUTS: RangeInclusive<u64> = 100..=30_000;

/// How long it may take to find the addresses of a node.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

const PER_MINUTE: Duration = Duration::from_secs(60);

/// The maximum length of a peer URL.
const MAX_URL: usize = 2000;

/// A check to be made now: of a node of the hub or of a URL.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckWish {
    /// The id of a node, which is checked as probes check it, with its network.
    #[schema(minimum = 1)]
    pub peer_id: Option<i64>,
    /// The URL of any other node, which is checked as a guest. With an API key it must have a public address.
    #[schema(max_length = 2000, example = "tcp://node.example.net:11010")]
    pub url: Option<String>,
    /// From where: names of regions, or `server_id`s of probes. By default every region in which a probe is available, at most 6.
    #[serde(default)]
    #[schema(max_items = 6)]
    pub from: Vec<String>,
    /// The deadline of the check in milliseconds.
    #[schema(minimum = 100, maximum = 30_000, default = 5000)]
    pub timeout_ms: Option<u64>,
}

/// Who asks for a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// The operator, who may check any address.
    Admin,
    /// The holder of an API key with this name, who may check public addresses, and nodes of the hub.
    Key(String),
}

/// Requested checks, limited so that nobody can scan or flood with them.
#[derive(Clone)]
pub struct Checks {
    store: Store,
    orders: Orders,
    resolver: Arc<Resolver>,
    limit: Arc<Limit>,
}

impl Checks {
    /// The requested checks of a hub. `orders` is where probes wait for them.
    pub fn new(store: Store, orders: Orders) -> Self {
        let limit = Arc::new(Limit::new(PER_MINUTE, 60, 600));
        Self { store, orders, resolver: Arc::new(Resolver::system(AddressPolicy::ANY)), limit }
    }

    /// Orders a check; returns its id. `from` is the caller's address.
    ///
    /// # Errors
    ///
    /// When a field is not valid, there is no such node, the caller asks too often, an address of the node was checked by request in
    /// the last ten seconds, a key names an address that is not public, or the database fails.
    pub async fn request(&self, asker: &Asker, from: IpAddr, wish: &CheckWish) -> Result<Uuid, ServiceError> {
        let timeout = timeout(wish)?;
        if wish.from.len() > MAX_VANTAGES {
            return Err(FieldError::new("from", FieldProblem::TooMany { max: MAX_VANTAGES }).into());
        }
        let target = target(asker, wish)?;
        self.limit.check(from)?;
        let new = NewCheck {
            id: Uuid::new_v4(),
            addresses: self.addresses(&target).await?,
            target,
            from: wish.from.clone(),
            timeout,
            requested_by: match asker {
                Asker::Admin => "admin".to_owned(),
                Asker::Key(name) => format!("key '{name}'"),
            },
        };
        match self.store.request_check(&new, Timestamp::now()).await {
            Err(StoreError::Conflict(Conflict::CheckedJustNow)) => {
                Err(ServiceError::RateLimited { retry_after: REQUEST_INTERVAL })
            }
            done => {
                done?;
                self.orders.look_now();
                Ok(new.id)
            }
        }
    }

    /// A check that was requested within the last hour, with the answers so far.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn requested(&self, id: Uuid) -> Result<RequestedCheck, ServiceError> {
        Ok(self.store.requested_check(id, Timestamp::now()).await?)
    }

    /// The addresses that a check will reach. A stranger's URL must have one, and only public ones.
    async fn addresses(&self, target: &CheckTarget) -> Result<Vec<IpAddr>, ServiceError> {
        let (url, origin) = match target {
            CheckTarget::Peer(id) => (self.store.peer(*id).await?.spec.url, Origin::Remote),
            CheckTarget::Url { url, submitted: true } => (url.clone(), Origin::Submitted),
            CheckTarget::Url { url, submitted: false } => (url.clone(), Origin::Remote),
        };
        let peer = guest(url, origin);
        match self.resolver.resolve(&peer, Instant::now() + RESOLVE_TIMEOUT).await {
            Ok(resolved) => Ok(resolved.targets.iter().map(|target| target.address.ip()).collect()),
            Err(failure) if origin == Origin::Submitted => {
                Err(FieldError::new("url", FieldProblem::Malformed(failure.message)).into())
            }
            // Probes may know names that the hub does not.
            Err(_) => Ok(Vec::new()),
        }
    }
}

fn timeout(wish: &CheckWish) -> Result<Duration, FieldError> {
    match wish.timeout_ms {
        None => Ok(DEFAULT_TIMEOUT),
        Some(millis) if CHECK_TIMEOUTS.contains(&millis) => Ok(Duration::from_millis(millis)),
        Some(_) => Err(FieldError::new("timeout_ms", FieldProblem::OutOfRange { min: 100, max: 30_000 })),
    }
}

fn target(asker: &Asker, wish: &CheckWish) -> Result<CheckTarget, FieldError> {
    match (wish.peer_id, wish.url.as_deref().map(str::trim)) {
        (Some(id), None) => Ok(CheckTarget::Peer(PeerId(id))),
        (None, Some(text)) if text.chars().count() <= MAX_URL => {
            let url: PeerUrl = text.parse().map_err(|error| FieldError::new("url", FieldProblem::Url(error)))?;
            url.reachable().map_err(|error| FieldError::new("url", FieldProblem::Url(error)))?;
            Ok(CheckTarget::Url { url, submitted: *asker != Asker::Admin })
        }
        (None, Some(_)) => Err(FieldError::new("url", FieldProblem::TooLong { max: MAX_URL })),
        (Some(_), Some(_)) => {
            let both = "give peer_id or url, not both".to_owned();
            Err(FieldError::new("url", FieldProblem::Malformed(both)))
        }
        (None, None) => Err(FieldError::new("peer_id", FieldProblem::Missing)),
    }
}

fn guest(url: PeerUrl, origin: Origin) -> Peer {
    Peer { access: Access::Guest, mode: CheckMode::default(), origin, ..Peer::local(0, url) }
}
