//! Probes that are gone.

use axum::extract::State;

use super::{TAG, session::AdminSession};
use crate::{
    api::{
        App,
        error::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
        input::Path,
        server_id::ServerId,
    },
    time::Timestamp,
};

/// Forgets a probe that is offline. Its tokens end, and its `server_id` may be registered again; what it saw stays.
#[utoipa::path(
    delete, path = "/api/admin/probes/{server_id}", tag = TAG, operation_id = "admin_remove_probe",
    params(("server_id" = ServerId, Path, description = "The probe's own id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "The probe is not offline.", body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: AdminSession,
    State(app): State<App>,
    Path(server_id): Path<String>,
) -> Answer<PublicEnvelope<()>> {
    app.store.remove_probe(&server_id, Timestamp::now()).await?;
    Ok(PublicEnvelope::done("the probe is forgotten"))
}
