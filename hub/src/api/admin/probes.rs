//! `/api/admin/probes`.

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::Path,
};

use super::TAG;
use crate::{
    server_id::ServerId,
    service::Admin,
    web::{ManageProbes, Permitted},
};

/// Deletes a probe that is offline. Its tokens are revoked, its `server_id` may be registered again, and its results stay.
#[utoipa::path(
    delete, path = "/api/admin/probes/{server_id}", tag = TAG, operation_id = "admin_remove_probe",
    params(("server_id" = ServerId, Path, description = "The probe's own id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `nodes`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "The probe is not offline.", body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: Permitted<ManageProbes>,
    State(admin): State<Admin>,
    Path(server_id): Path<String>,
) -> Answer<PublicEnvelope<()>> {
    admin.remove_probe(&server_id).await?;
    Ok(PublicEnvelope::done("the probe is deleted"))
}
