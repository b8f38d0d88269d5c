//! The router of a hub, which joins the API and the pages.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use easytier_probe::{Checker, backend::HUB_HEADER};
use easytier_uptime_monitor::{Monitor, ProbeStatus, document};
use easytier_uptime_store::Store;
use tower::{
    ServiceBuilder,
    util::{MapRequestLayer, MapResponseLayer},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    api,
    board::Board,
    notify, pages,
    service::Instances,
    web::{ActingLayer, App, Identification, WebOptions, identify},
};

/// All routes of a hub, and the document that describes them. `checker`: runs the connection tests that strangers
/// request. `probe`: the probe in this process, if there is one. It must be called on a tokio runtime.
pub fn router(store: Store, checker: Checker, options: WebOptions, probe: Option<Arc<dyn ProbeStatus>>) -> Router {
    let instances = Arc::new(Instances::new(store.clone(), options.instance.clone()));
    let board = Board::start(store.clone(), Arc::clone(&instances), options.freshness);
    let monitor = Monitor::new(store.clone(), Arc::clone(&board) as _, probe, options.metrics_token.clone())
        .in_cluster(instances)
        .named(&options.instance.options.name);
    let acting = ActingLayer::new(store.clone(), monitor.metrics());
    let app = App::new(store, board, checker, notify::messenger(), options, &monitor);
    let routes = OpenApiRouter::with_openapi(document::base()).merge(api::routes(&app)).merge(monitor.routes());
    let (router, document) = routes.split_for_parts();
    monitor.publish(&document);
    let router = router.merge(pages::routes(&app)).fallback(pages::not_found);
    let identification = Identification { options: Arc::clone(&app.options), warnings: monitor.warnings() };
    monitor.observe(router).layer(
        ServiceBuilder::new()
            .layer(MapResponseLayer::new(set_hub_header))
            .layer(MapRequestLayer::new(move |request| identify(&identification, request)))
            .layer(acting),
    )
}

/// The header is on every response, so that a probe knows after its first request which other requests a hub supports.
fn set_hub_header(mut response: Response) -> Response {
    response.headers_mut().insert(HeaderName::from_static(HUB_HEADER), HeaderValue::from_static("1"));
    response
}

/// The synchronisation API of a [`router`] alone, and `/health`: for a listener of its own.
pub fn sync_api(router: Router) -> Router {
    router.layer(from_fn(refuse_other_routes))
}

async fn refuse_other_routes(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    match path.starts_with("/sync/api/") || path == "/health" {
        true => next.run(request).await,
        false => StatusCode::NOT_FOUND.into_response(),
    }
}
