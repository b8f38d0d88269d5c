//! `/api/admin/sources`: the lists of nodes that the hub keeps following.

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{Body, Path},
};
use easytier_uptime_store::domain::SourceId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    service::{NewSource, SourceView, Sources},
    web::AdminSession,
};

/// The id of a source in a path.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SourcePath {
    /// The source's id.
    #[param(value_type = i64, minimum = 1)]
    id: SourceId,
}

/// How a source is fetched.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FetchRequest {
    /// Take the list even if it has less than half of the nodes that it had.
    take_short: bool,
}

/// All sources, the oldest first, without user names, passwords and queries in their URLs.
#[utoipa::path(
    get, path = "/api/admin/sources", tag = TAG, operation_id = "admin_list_sources",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Vec<SourceView>>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn list(_: AdminSession, State(sources): State<Sources>) -> Answer<PublicEnvelope<Vec<SourceView>>> {
    Ok(PublicEnvelope::of(sources.all().await?.iter().map(SourceView::from).collect()))
}

/// Adds a source, which is fetched within a second or two. Its nodes await approval, unless it is trusted.
#[utoipa::path(
    post, path = "/api/admin/sources", tag = TAG, operation_id = "admin_add_source",
    request_body = NewSource,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<SourceView>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = CONFLICT, description = "The list is followed already, there are too many sources, or this instance is a dependent.",
            body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn add(
    _: AdminSession,
    State(sources): State<Sources>,
    Body(new): Body<NewSource>,
) -> Answer<PublicEnvelope<SourceView>> {
    let id = sources.add(&new).await?;
    Ok(PublicEnvelope::of(SourceView::from(&sources.source(id).await?)))
}

/// Has a source fetched within a second or two.
#[utoipa::path(
    post, path = "/api/admin/sources/{id}/fetch", tag = TAG, operation_id = "admin_fetch_source",
    params(SourcePath), request_body = FetchRequest,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn fetch(
    _: AdminSession,
    State(sources): State<Sources>,
    Path(SourcePath { id }): Path<SourcePath>,
    Body(request): Body<FetchRequest>,
) -> Answer<PublicEnvelope<()>> {
    sources.ask(id, request.take_short).await?;
    Ok(PublicEnvelope::done("it is being fetched"))
}

/// Removes a source. The nodes that it brought stay.
#[utoipa::path(
    delete, path = "/api/admin/sources/{id}", tag = TAG, operation_id = "admin_remove_source",
    params(SourcePath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: AdminSession,
    State(sources): State<Sources>,
    Path(SourcePath { id }): Path<SourcePath>,
) -> Answer<PublicEnvelope<()>> {
    sources.remove(id).await?;
    Ok(PublicEnvelope::done("it is removed"))
}
