//! The read-only part of the public API, which launchers and dashboards read.
//!
//! Anybody may read it: it never shows masked fields, and it treats peers that are not approved as if they did not
//! exist.

pub mod cors;
mod events;
mod health;
pub mod item;
pub mod locations;
pub mod modes;
pub mod nodes;
mod regions;
pub mod source;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Monitor;

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "public";

/// The routes of the list of nodes, which is in memory in a hub.
pub(crate) fn nodes() -> OpenApiRouter<Monitor> {
    OpenApiRouter::default()
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::node))
        .routes(routes!(nodes::address))
        .routes(routes!(nodes::all_tags))
}

/// The routes of histories, which are read from the database.
pub(crate) fn histories() -> OpenApiRouter<Monitor> {
    OpenApiRouter::default()
        .routes(routes!(health::records))
        .routes(routes!(health::stats))
        .routes(routes!(regions::regions))
        .routes(routes!(events::events))
}
