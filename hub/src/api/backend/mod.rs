//! The backend contract: the routes by which probes fetch peers and report results.

mod peers;
mod relay_tests;
mod results;
mod schema;
mod status;
mod version;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::web::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(peers::list)).routes(routes!(results::post)).routes(routes!(status::put))
}
