//! The public API as far as it changes nothing: what launchers and dashboards read.
//!
//! Everything here is for anybody: nothing that is masked leaves through it, and peers that are not approved do not
//! exist in it.

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

/// The routes, which pages of other sites may read.
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
        .layer(cors::readable_from_anywhere())
}
