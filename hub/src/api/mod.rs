//! The API of the hub, except the routes that a daemon has too (`easytier_uptime_monitor`): `backend`, `registry` and `servers` are for
//! probes, `public` is for anybody, `dialects` for programs that read
//! lists in another form, `admin` for the operator. Handlers translate between HTTP and `crate::service`.

mod admin;
mod announcements;
mod backend;
mod checks;
mod connect;
mod dialects;
mod incidents;
mod lines;
mod node_metrics;
mod nodes;
mod pending;
mod public;
mod registry;
mod servers;
mod sync;

use axum::{
    http::{HeaderValue, header},
    middleware::{from_fn, map_response},
    response::Response,
};
use easytier_uptime_monitor::readable_from_anywhere;
use utoipa_axum::router::OpenApiRouter;

use crate::web::{App, refuse_foreign_pages};

/// All routes of the API, with their documentation.
pub(crate) fn routes(app: &App) -> OpenApiRouter {
    let private = OpenApiRouter::default()
        .merge(backend::routes())
        .nest("/api", backend::routes())
        .merge(backend::reverse_routes())
        .merge(checks::routes())
        .merge(nodes::routes())
        .merge(registry::routes())
        .merge(servers::routes())
        .merge(admin::routes())
        .merge(sync::routes())
        .merge(node_metrics::routes())
        .layer(map_response(set_no_store));
    let public = public::routes().merge(dialects::routes()).merge(connect::routes());
    let all = private.merge(public.layer(readable_from_anywhere()));
    all.layer(from_fn(refuse_foreign_pages)).with_state(app.clone())
}

/// These responses may hold secrets, so caches must not store them.
async fn set_no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
