//! What the hub serves over HTTP.
//!
//! `backend` and `registry` are for probes, `public` is read by launchers and dashboards, `admin` is
//! for the person who runs the hub, `operations` for machines that watch the hub itself; people read
//! `crate::pages`. Every route of the API is declared together with its documentation, so that `/openapi.json` says what is there and nothing else.
//!
//! A handler gives data or a [`Refusal`](error::Refusal); `error` knows the envelopes. What callers send is read by the
//! extractors of `input`, who they are by those of `auth` and `client`.

mod admin;
mod auth;
mod backend;
mod client;
pub(crate) mod cookie;
mod document;
mod drain;
pub(crate) mod error;
pub(crate) mod input;
mod limit;
mod metrics;
mod operations;
mod public;
mod registry;
mod serve;
mod server_id;
mod vitals;

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    http::{HeaderMap, HeaderValue, Method, request::Parts},
    middleware::{from_fn, from_fn_with_state, map_response},
};
use bytes::Bytes;
use easytier_probe::{CheckOptions, Checker, Secret};
use tokio::sync::Semaphore;
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::{
    client::Client,
    public::{connection_test::try_out, parameter, submission::propose},
    serve::Closing,
};
pub use self::{
    client::{Network, NetworkError},
    serve::serve,
    vitals::Vitals,
};
use self::{error::Refusal, limit::Limits, metrics::Metrics};
use crate::{pages, store::Store};

/// What the API needs to know.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Signs the sessions of the admin; the same for all hubs on one database.
    pub session_key: Secret,
}

/// What handlers share.
#[derive(Clone, FromRef)]
pub(crate) struct App {
    store: Store,
    /// Runs the connection tests that strangers ask for: public addresses only.
    checker: Checker,
    options: Arc<ApiOptions>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    /// Of the probe in this very process.
    #[from_ref(skip)]
    vitals: Option<Arc<dyn Vitals>>,
    /// Turns at taking in results.
    #[from_ref(skip)]
    ingests: Arc<Semaphore>,
    /// `/openapi.json`.
    #[from_ref(skip)]
    document: Bytes,
}

/// How many batches of results are taken in at the same time; each may be [`input::MAX_BODY`] long.
const INGESTS: usize = 32;

/// Whether a request shows a session of the admin that lasts. One that changes something must come from a page of this
/// hub.
pub(crate) async fn is_admin(parts: &Parts, app: &App) -> Result<bool, Refusal> {
    Ok(admin::session::shown(parts, app).await?.is_some())
}

/// Refuses a request that no page of this hub sent.
pub(crate) fn own_page(headers: &HeaderMap) -> Result<(), Refusal> {
    admin::session::own_page(headers)
}

/// All routes of a hub, and the document that describes them.
pub fn router(store: Store, checker: Checker, options: ApiOptions) -> Router {
    hub(store, checker, options, None)
}

/// The same for a hub that has a probe in its own process.
pub fn standalone_router(store: Store, checker: Checker, options: ApiOptions, vitals: Arc<dyn Vitals>) -> Router {
    hub(store, checker, options, Some(vitals))
}

fn hub(store: Store, checker: Checker, options: ApiOptions, vitals: Option<Arc<dyn Vitals>>) -> Router {
    // What is told to those alone who show who they are.
    let private = OpenApiRouter::default()
        .merge(backend::routes())
        .nest("/api", backend::routes())
        .merge(registry::routes())
        .merge(admin::routes())
        .layer(map_response(operations::keep_no_copy));
    let routes = OpenApiRouter::with_openapi(document::base())
        .merge(private)
        .merge(public::routes().layer(readable_from_anywhere()))
        .merge(operations::routes());
    assemble(routes, Serves::Pages, store, checker, options, vitals)
        .layer(map_response(operations::say_that_this_is_a_hub))
}

/// What a probe shows of its local history and of itself: the part of the public API that changes nothing.
pub fn monitoring_router(store: Store, vitals: Arc<dyn Vitals>) -> Router {
    let routes = OpenApiRouter::with_openapi(document::base())
        .merge(public::read_routes().layer(readable_from_anywhere()))
        .merge(operations::routes());
    // Of use to routes that are not there.
    let session_key = data_encoding::HEXLOWER.encode(&crate::crypto::random::<32>()).into();
    let options = ApiOptions { trusted_proxies: Vec::new(), session_key };
    assemble(routes, Serves::Programs, store, Checker::new(CheckOptions::default()), options, Some(vitals))
}

/// Whom a router is for.
enum Serves {
    /// People as well.
    Pages,
    Programs,
}

/// Routes with all that stands around them.
fn assemble(
    routes: OpenApiRouter<App>,
    serves: Serves,
    store: Store,
    checker: Checker,
    options: ApiOptions,
    vitals: Option<Arc<dyn Vitals>>,
) -> Router {
    let (router, document) = routes.split_for_parts();
    let app = App {
        store,
        checker,
        options: Arc::new(options),
        limits: Arc::default(),
        metrics: Arc::default(),
        vitals,
        ingests: Arc::new(Semaphore::new(INGESTS)),
        document: document::finish(&document),
    };
    // The last is the outermost.
    let router = router.with_state(app.clone());
    let router = match serves {
        Serves::Pages => router.merge(pages::routes(&app)).fallback(pages::nowhere),
        Serves::Programs => router,
    };
    router
        .layer(from_fn(operations::in_time))
        .layer(CatchPanicLayer::custom(operations::panicked))
        .layer(from_fn(error::put_into_envelope))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state(app, operations::observe))
        .layer(from_fn(drain::drain))
}

/// Pages of other sites may read, and do nothing else.
fn readable_from_anywhere() -> CorsLayer {
    let reads = |_: &HeaderValue, parts: &Parts| [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method);
    CorsLayer::new().allow_origin(AllowOrigin::predicate(reads)).allow_methods([Method::GET, Method::HEAD])
}
