//! The read-only part of the public API, which launchers and dashboards read.
//!
//! Anybody may read it: it never shows masked fields, and it treats peers that are not approved as if they did not
//! exist.

pub mod cors;
mod events;
mod health;
pub mod item;
pub mod nodes;
mod regions;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Monitor;

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "public";

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Monitor> {
    OpenApiRouter::default()
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::node))
        .routes(routes!(nodes::address))
        .routes(routes!(nodes::all_tags))
        .routes(routes!(health::records))
        .routes(routes!(health::stats))
        .routes(routes!(regions::regions))
        .routes(routes!(events::events))
}
