//! `/api/admin/apply`: peers, channels and maintenance windows as one document.

use axum::extract::State;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::Body,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::TAG;
use crate::{
    service::{
        Admin,
        alerts::Alerts,
        apply::{Step, Wanted},
    },
    web::{EditPeers, Permitted},
};

/// What there should be. Of a kind that is missing nothing is said.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Application {
    /// The peers, with the fields of an export; they are told apart by URL and network.
    #[schema(value_type = Option<Vec<Object>>)]
    peers: Option<Value>,
    /// The channels with all their rules, told apart by name. For the admin only.
    #[schema(value_type = Option<Vec<Object>>)]
    channels: Option<Value>,
    /// The maintenance windows, told apart by title. For the admin only.
    #[schema(value_type = Option<Vec<Object>>)]
    maintenance: Option<Value>,
    /// Whether what is stored of these kinds and not named is removed.
    #[serde(default)]
    prune: bool,
    /// Whether nothing is changed.
    #[serde(default)]
    dry_run: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    /// In this order.
    steps: Vec<Step>,
}

/// Makes peers, channels with their rules, and maintenance windows what a document says, all or nothing. With an API key the document may
/// have peers alone.
#[utoipa::path(
    post, path = "/api/admin/apply", tag = TAG, operation_id = "admin_apply",
    request_body = Application,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Applied>),
        (status = BAD_REQUEST, description = "A part of the document is not valid; nothing was changed.", body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, the document of a key has more than peers, or the request comes from a page of another site.", body = PublicRefusal),
        (status = CONFLICT, description = "Somebody made other changes meanwhile, or this instance is a dependent; nothing was changed.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn apply(
    permitted: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(alerts): State<Alerts>,
    Body(Application { peers, channels, maintenance, prune, dry_run }): Body<Application>,
) -> Answer<PublicEnvelope<Applied>> {
    if !permitted.is_admin && (channels.is_some() || maintenance.is_some()) {
        return Err(Refusal::forbidden("an API key applies peers; channels and maintenance are for the admin"));
    }
    let kinds = [("peers", peers), ("channels", channels), ("maintenance", maintenance)];
    let document: Map<String, Value> =
        kinds.into_iter().filter_map(|(kind, list)| Some((kind.to_owned(), list?))).collect();
    let wanted = Wanted::read(document).map_err(|mistakes| Refusal::bad_request(mistakes.to_string()))?;
    let plan = admin.plan(&alerts, Wanted { prune, ..wanted }).await?;
    if !dry_run {
        admin.carry_out(&plan).await?;
    }
    Ok(PublicEnvelope::of(Applied { steps: plan.steps }))
}
