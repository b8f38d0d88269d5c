//! `/api/admin/regions`.

use axum::extract::State;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{self, Body, Path},
};
use easytier_uptime_store::domain::{Region, RegionOverview};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    service::Admin,
    web::{ManageProbes, Permitted},
};

/// A region, with what belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegionItem {
    #[schema(example = "eu")]
    name: String,
    /// Its probes, also those that are offline or never reported.
    probes: u64,
    /// Node tokens of its probes that are valid.
    node_tokens: u64,
    /// Enrollment keys for it alone that are valid.
    enrollment_keys: u64,
    /// Nodes that name it among the regions that check them.
    nodes: u64,
    /// Nodes with a newest result there.
    checked_nodes: u64,
}

impl From<RegionOverview> for RegionItem {
    fn from(overview: RegionOverview) -> Self {
        let RegionOverview { region, probes, node_tokens, enrollment_keys, peers, checked_peers } = overview;
        Self { name: region.into(), probes, node_tokens, enrollment_keys, nodes: peers, checked_nodes: checked_peers }
    }
}

/// All regions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Regions {
    /// In the order of their names.
    regions: Vec<RegionItem>,
}

/// A region in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RegionPath {
    /// Its name.
    #[param(example = "eu")]
    name: String,
}

/// Another name for a region.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RegionName {
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^,\x00-\x1f\x7f-\x9f]+$", example = "eu-west")]
    name: String,
}

/// All regions, with what belongs to each.
#[utoipa::path(
    get, path = "/api/admin/regions", tag = TAG, operation_id = "admin_list_regions",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Regions>),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `nodes`.", body = PublicRefusal),
    ),
)]
pub(super) async fn list(_: Permitted<ManageProbes>, State(admin): State<Admin>) -> Answer<PublicEnvelope<Regions>> {
    let regions = admin.regions().await?.into_iter().map(RegionItem::from).collect();
    Ok(PublicEnvelope::of(Regions { regions }))
}

/// Gives a region another name. Its probes, tokens, keys, nodes and history stay with it, and windows, rules and submissions that name it
/// name it anew. For 90 days its probes may call it by the name that it had.
#[utoipa::path(
    put, path = "/api/admin/regions/{name}", tag = TAG, operation_id = "admin_rename_region",
    params(RegionPath), request_body = RegionName,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `nodes`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "Another region has the name, or this instance belongs to a cluster.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn rename(
    _: Permitted<ManageProbes>,
    State(admin): State<Admin>,
    Path(RegionPath { name }): Path<RegionPath>,
    Body(document): Body<RegionName>,
) -> Answer<PublicEnvelope<()>> {
    admin.rename_region(&region("name", &name)?, &region("name", &document.name)?).await?;
    Ok(PublicEnvelope::done("the region is renamed"))
}

/// Removes a region with its probes and all their results. A region is not removed while it has probes that are not offline, valid tokens
/// or keys, or nodes that name it.
#[utoipa::path(
    delete, path = "/api/admin/regions/{name}", tag = TAG, operation_id = "admin_remove_region",
    params(RegionPath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `nodes`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "The region is in use, or this instance belongs to a cluster.", body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: Permitted<ManageProbes>,
    State(admin): State<Admin>,
    Path(RegionPath { name }): Path<RegionPath>,
) -> Answer<PublicEnvelope<()>> {
    admin.remove_region(&region("name", &name)?).await?;
    Ok(PublicEnvelope::done("the region is deleted"))
}

/// A name that is one.
fn region(field: &str, text: &str) -> Result<Region, Refusal> {
    input::region(field, Some(text))?.ok_or_else(|| Refusal::bad_request(format!("{field}: it is empty")))
}
