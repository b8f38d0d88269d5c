//! `/api/admin/maintenance`: the maintenance windows.

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{Body, Path},
};
use easytier_uptime_store::domain::{MaintenanceWindow, Occurrence, ScheduleText, Timestamp, WindowId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    service::{Admin, WindowFields},
    web::AdminSession,
};

/// The id of a window in a path.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct WindowPath {
    /// The window's id.
    #[param(value_type = i64, minimum = 1)]
    id: WindowId,
}

/// One time at which a window takes place.
#[derive(Debug, Serialize, ToSchema)]
struct Period {
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

impl From<Occurrence> for Period {
    fn from(Occurrence { begins_at, ends_at }: Occurrence) -> Self {
        Self { begins_at, ends_at }
    }
}

/// A maintenance window.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Window {
    #[schema(value_type = i64)]
    id: WindowId,
    title: String,
    title_zh: Option<String>,
    /// It covers all nodes.
    all: bool,
    /// The ids of nodes that it covers.
    nodes: Vec<i64>,
    tags: Vec<String>,
    regions: Vec<String>,
    /// When the first occurrence begins, on the clocks of the time zone.
    #[schema(example = "2027-01-31T02:00")]
    start: String,
    time_zone: String,
    /// How long each occurrence takes.
    minutes: u32,
    /// An RRULE of RFC 5545, without its end; null for a window that takes place once.
    rrule: Option<String>,
    /// No occurrence begins after this time of the time zone.
    #[schema(example = "2027-12-31T23:59")]
    until: Option<String>,
    /// The time in which it takes place now.
    current: Option<Period>,
    /// The next occurrence that has not begun.
    next: Option<Period>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl Window {
    fn of(window: MaintenanceWindow, now: Timestamp) -> Self {
        let (current, next) = (window.active(now), window.next(now));
        let (spec, ScheduleText { start, time_zone, minutes, rrule, until }) =
            (window.spec.clone(), window.spec.schedule.text());
        Self {
            id: window.id,
            title: spec.title,
            title_zh: spec.title_zh,
            all: spec.coverage.all,
            nodes: spec.coverage.peers.into_iter().map(|peer| peer.0).collect(),
            tags: spec.coverage.tags.into_iter().map(Into::into).collect(),
            regions: spec.coverage.regions.into_iter().map(Into::into).collect(),
            start,
            time_zone,
            minutes,
            rrule,
            until,
            current: current.map(Into::into),
            next: next.map(Into::into),
            created_at: window.created_at,
            updated_at: window.updated_at,
        }
    }
}

/// A change of a window: all its fields.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct WindowChange {
    #[serde(flatten)]
    fields: WindowFields,
    /// The `updated_at` that the caller read: somebody else's later change is not overwritten.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
}

/// All maintenance windows, the oldest first. One that is over is kept for 90 days.
#[utoipa::path(
    get, path = "/api/admin/maintenance", tag = TAG, operation_id = "admin_list_maintenance",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Vec<Window>>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn list(_: AdminSession, State(admin): State<Admin>) -> Answer<PublicEnvelope<Vec<Window>>> {
    let now = Timestamp::now();
    let windows = admin.maintenance_windows().await?;
    Ok(PublicEnvelope::of(windows.into_iter().map(|window| Window::of(window, now)).collect()))
}

/// Makes a maintenance window. Its nodes are checked and their status is shown all the same, but nobody is told of it and uptime
/// does not count the time.
#[utoipa::path(
    post, path = "/api/admin/maintenance", tag = TAG, operation_id = "admin_add_maintenance",
    request_body = WindowFields,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Window>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = CONFLICT, description = "There are too many windows.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn add(
    _: AdminSession,
    State(admin): State<Admin>,
    Body(fields): Body<WindowFields>,
) -> Answer<PublicEnvelope<Window>> {
    let id = admin.add_maintenance(fields).await?;
    shown(&admin, id).await
}

/// Replaces a maintenance window. What has been in maintenance until now stays so.
#[utoipa::path(
    put, path = "/api/admin/maintenance/{id}", tag = TAG, operation_id = "admin_change_maintenance",
    params(WindowPath), request_body = WindowChange,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Window>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "Somebody changed it meanwhile.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn change(
    _: AdminSession,
    State(admin): State<Admin>,
    Path(WindowPath { id }): Path<WindowPath>,
    Body(WindowChange { fields, updated_at }): Body<WindowChange>,
) -> Answer<PublicEnvelope<Window>> {
    admin.change_maintenance(id, updated_at, fields).await?;
    shown(&admin, id).await
}

async fn shown(admin: &Admin, id: WindowId) -> Answer<PublicEnvelope<Window>> {
    let window = admin.maintenance_window(id).await?;
    Ok(PublicEnvelope::of(Window::of(window, Timestamp::now())))
}

/// Ends the occurrence of a maintenance window that takes place now. Later ones take place all the same.
#[utoipa::path(
    post, path = "/api/admin/maintenance/{id}/end", tag = TAG, operation_id = "admin_end_maintenance",
    params(WindowPath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "It does not take place now.", body = PublicRefusal),
    ),
)]
pub(super) async fn end(
    _: AdminSession,
    State(admin): State<Admin>,
    Path(WindowPath { id }): Path<WindowPath>,
) -> Answer<PublicEnvelope<()>> {
    admin.end_maintenance(id).await?;
    Ok(PublicEnvelope::done("the maintenance has ended"))
}

/// Removes a maintenance window. What has been in maintenance until now stays so.
#[utoipa::path(
    delete, path = "/api/admin/maintenance/{id}", tag = TAG, operation_id = "admin_remove_maintenance",
    params(WindowPath),
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
    State(admin): State<Admin>,
    Path(WindowPath { id }): Path<WindowPath>,
) -> Answer<PublicEnvelope<()>> {
    admin.remove_maintenance(id).await?;
    Ok(PublicEnvelope::done("the window is removed"))
}
