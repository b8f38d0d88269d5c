//! The routes for anybody that a daemon does not have: submit a node, test a connection, see what maintenance is planned and
//! which incidents there were, and read the reports of months.

mod connection_test;
mod maintenance;
mod reports;
mod submission;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{announcements, incidents};
use crate::web::App;

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "public";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(submission::submit))
        .routes(routes!(connection_test::test))
        .routes(routes!(announcements::current))
        .routes(routes!(maintenance::list))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::one))
        .routes(routes!(reports::report))
        .routes(routes!(reports::table))
}
