//! The API for the operator: login, approval, changes.

mod alerts;
mod apply;
mod audit;
mod channels;
mod login;
mod maintenance;
mod nodes;
mod probes;
mod queue;
mod regions;
mod settings;
mod sources;
mod status;
mod subscriptions;

use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{announcements, incidents};
use crate::web::{self, App};

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "admin";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(document())
        .routes(routes!(login::login))
        .routes(routes!(login::verify))
        .routes(routes!(login::logout))
        .routes(routes!(nodes::list, nodes::add))
        .routes(routes!(nodes::one, nodes::change, nodes::remove))
        .routes(routes!(nodes::approve))
        .routes(routes!(nodes::revoke))
        .routes(routes!(queue::decide))
        .routes(routes!(apply::apply))
        .routes(routes!(status::status))
        .routes(routes!(probes::remove))
        .routes(routes!(regions::list))
        .routes(routes!(regions::rename, regions::remove))
        .routes(routes!(settings::list))
        .routes(routes!(settings::change))
        .routes(routes!(announcements::all, announcements::announce))
        .routes(routes!(announcements::end))
        .routes(routes!(incidents::post))
        .routes(routes!(incidents::name))
        .routes(routes!(incidents::close))
        .routes(routes!(channels::list, channels::add))
        .routes(routes!(channels::change, channels::remove))
        .routes(routes!(channels::test))
        .routes(routes!(channels::put_rule))
        .routes(routes!(channels::remove_rule))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::preview))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(alerts::mute))
        .routes(routes!(alerts::unmute))
        .routes(routes!(alerts::repeat))
        .routes(routes!(audit::list))
        .routes(routes!(sources::list, sources::add))
        .routes(routes!(sources::remove))
        .routes(routes!(sources::fetch))
        .routes(routes!(subscriptions::overview))
        .routes(routes!(subscriptions::remove))
        .routes(routes!(maintenance::list, maintenance::add))
        .routes(routes!(maintenance::change, maintenance::remove))
        .routes(routes!(maintenance::end))
}

/// Adds the session cookie of the pages to the document. Programs send the session as a Bearer token.
fn document() -> Document {
    #[derive(OpenApi)]
    struct Sessions;

    let mut document = Sessions::openapi();
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(web::COOKIE)));
    document.components.get_or_insert_default().add_security_scheme("session_cookie", cookie);
    document
}
