//! `/api/admin/subscriptions`: how many visitors subscribed by mail, and removing a mailbox.

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::Body,
};
use easytier_uptime_store::StoreError;

use super::TAG;
use crate::{
    service::{
        ServiceError, Subscriptions,
        subscriptions::{RemovedMailbox, SubscriptionsView},
    },
    web::AdminSession,
};

/// How many visitors subscribed by mail, and whether others can. No mailbox is shown.
#[utoipa::path(
    get, path = "/api/admin/subscriptions", tag = TAG, operation_id = "admin_subscriptions",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<SubscriptionsView>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn overview(
    _: AdminSession,
    State(subscriptions): State<Subscriptions>,
) -> Answer<PublicEnvelope<SubscriptionsView>> {
    Ok(PublicEnvelope::of(subscriptions.overview().await?))
}

/// Removes a mailbox, with all that it asked for and the mails to it that wait.
#[utoipa::path(
    post, path = "/api/admin/subscriptions/remove", tag = TAG, operation_id = "admin_remove_mailbox",
    request_body = RemovedMailbox,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, description = "The mailbox is not known.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: AdminSession,
    State(subscriptions): State<Subscriptions>,
    Body(document): Body<RemovedMailbox>,
) -> Answer<PublicEnvelope<()>> {
    match subscriptions.remove_mailbox(&document.address).await? {
        true => Ok(PublicEnvelope::done("it is removed")),
        false => Err(ServiceError::from(StoreError::NotFound("mailbox")).into()),
    }
}
