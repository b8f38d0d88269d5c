//! `/api/admin/status`.

use axum::extract::State;
use easytier_uptime_monitor::envelope::{Answer, PublicEnvelope, PublicRefusal};

use super::TAG;
use crate::{
    service::{Admin, HubStatus, alerts::Alerts},
    web::{Permitted, ReadStatus},
};

/// What the hub has, and what is wrong now.
#[utoipa::path(
    get, path = "/api/admin/status", tag = TAG, operation_id = "admin_status",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<HubStatus>),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `read`.", body = PublicRefusal),
    ),
)]
pub(super) async fn status(
    _: Permitted<ReadStatus>,
    State(admin): State<Admin>,
    State(alerts): State<Alerts>,
) -> Answer<PublicEnvelope<HubStatus>> {
    Ok(PublicEnvelope::of(admin.status(&alerts).await?))
}
