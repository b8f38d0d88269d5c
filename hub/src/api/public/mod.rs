//! The public API: what launchers and dashboards read.
//!
//! Everything here is for anybody: nothing that is masked leaves through it, and a peer that is not approved is not
//! there.

pub(super) mod connection_test;
mod events;
pub(super) mod fields;
mod health;
pub(super) mod item;
pub(super) mod nodes;
pub(super) mod paging;
pub(crate) mod parameter;
mod regions;
pub(super) mod submission;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::App;

/// What `openapi.json` files these routes under.
const TAG: &str = "public";

pub(super) fn routes() -> OpenApiRouter<App> {
    read_routes().merge(post_routes())
}

/// What changes nothing: all of it that a probe's own monitoring API has.
pub(super) fn read_routes() -> OpenApiRouter<App> {
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

fn post_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(submission::submit)).routes(routes!(connection_test::test))
}
