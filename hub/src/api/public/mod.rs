//! The routes for anybody that do more than read: submit a node, and test a connection.

mod connection_test;
mod submission;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::announcements;
use crate::web::App;

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "public";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(submission::submit))
        .routes(routes!(connection_test::test))
        .routes(routes!(announcements::current))
}
