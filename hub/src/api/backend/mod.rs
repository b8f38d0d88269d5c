//! The backend contract: the routes by which probes fetch peers and report results.

mod peers;
mod relay_tests;
mod results;
mod reverse;
mod schema;
mod status;
mod version;

use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) use self::schema::CheckResult as CheckResultDoc;
use crate::web::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(peers::list)).routes(routes!(results::post)).routes(routes!(status::put))
}

/// Orders to probes, which have one path.
pub(super) fn reverse_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(reverse::wait)).routes(routes!(reverse::answer))
}
