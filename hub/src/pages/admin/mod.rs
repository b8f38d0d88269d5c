//! `/admin`: the pages of the operator.
//!
//! Forms are posted to the page that they are on or to a path below it. The session's cookie counts for a form only if the
//! form is on a page of this hub.

mod alerts;
mod announcements;
mod audit;
mod channels;
mod checks;
mod delete;
mod edit;
mod events;
mod export;
mod frame;
mod import;
mod incidents;
mod instances;
mod keys;
mod login;
mod maintenance;
mod managed;
mod nodes;
mod operator;
mod probes;
mod queue;
mod settings;
mod sources;

use axum::{Router, routing::get};

use super::{act, site::Site};

pub fn routes() -> Router<Site> {
    Router::new()
        .route("/admin", get(nodes::page))
        .route("/admin/login", get(login::page).post(login::log_in))
        .route("/admin/logout", act(login::log_out))
        .route("/admin/nodes/{id}", get(edit::page).post(edit::save))
        .route("/admin/nodes/{id}/approve", act(nodes::approve))
        .route("/admin/nodes/{id}/revoke", act(nodes::revoke))
        .route("/admin/nodes/{id}/watch", act(nodes::watch))
        .route("/admin/nodes/{id}/delete", get(delete::page).post(delete::delete))
        .route("/admin/nodes/{id}/check", act(checks::request))
        .route("/admin/checks/{id}", get(checks::page))
        .route("/admin/queue", get(queue::page).post(queue::decide))
        .route("/admin/keys", get(keys::page).post(keys::create))
        .route("/admin/keys/revoke", act(keys::revoke))
        .route("/admin/probes", get(probes::page))
        .route("/admin/probes/remove", get(probes::confirmation).post(probes::remove))
        .route("/admin/instances", get(instances::page))
        .route("/admin/instances/order", act(instances::reorder))
        .route("/admin/instances/promote", get(instances::promotion).post(instances::promote))
        .route("/admin/instances/demote", get(instances::demotion).post(instances::demote))
        .route("/admin/instances/remove", get(instances::removal).post(instances::remove))
        .route("/admin/announcements", get(announcements::page).post(announcements::announce))
        .route("/admin/announcements/end", act(announcements::end))
        .route("/admin/incidents", get(incidents::page))
        .route("/admin/incidents/{id}", get(incidents::one).post(incidents::post))
        .route("/admin/incidents/{id}/name", act(incidents::rename))
        .route("/admin/incidents/{id}/close", act(incidents::close))
        .route("/admin/channels", get(channels::page))
        .route("/admin/channels/new", get(channels::new).post(channels::add))
        .route("/admin/channels/{id}", get(channels::edit).post(channels::save))
        .route("/admin/channels/{id}/enable", act(channels::enable))
        .route("/admin/channels/{id}/test", act(channels::test))
        .route("/admin/channels/{id}/remove", get(channels::removal).post(channels::remove))
        .route("/admin/channels/{id}/rules", get(channels::new_rule).post(channels::add_rule))
        .route("/admin/channels/{id}/rules/{rule}", get(channels::edit_rule).post(channels::save_rule))
        .route("/admin/channels/{id}/rules/{rule}/remove", get(channels::rule_removal).post(channels::remove_rule))
        .route("/admin/alerts", get(alerts::page))
        .route("/admin/alerts/acknowledge", act(alerts::acknowledge))
        .route("/admin/alerts/mute", act(alerts::mute))
        .route("/admin/alerts/unmute", act(alerts::unmute))
        .route("/admin/alerts/repeat", act(alerts::repeat))
        .route("/admin/maintenance", get(maintenance::page).post(maintenance::add))
        .route("/admin/maintenance/{id}", get(maintenance::edit).post(maintenance::save))
        .route("/admin/maintenance/{id}/end", act(maintenance::end))
        .route("/admin/maintenance/{id}/remove", get(maintenance::removal).post(maintenance::remove))
        .route("/admin/events", get(audit::page))
        .route("/admin/status-changes", get(events::page))
        .route("/admin/settings", get(settings::page).post(settings::save))
        .route("/admin/sources", get(sources::page).post(sources::add))
        .route("/admin/sources/{id}/fetch", act(sources::fetch))
        .route("/admin/sources/{id}/remove", get(sources::removal).post(sources::remove))
        .route("/admin/probes/managed", get(managed::page).post(managed::add))
        .route("/admin/probes/managed/{id}/push", act(managed::push))
        .route("/admin/probes/managed/{id}/remove", get(managed::removal).post(managed::remove))
        .route("/admin/import", get(import::page).post(import::import))
        .route("/admin/export.json", get(export::export))
}
