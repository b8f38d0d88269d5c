//! `/api/admin/alerts`: what was told, what is wrong now, and what is acknowledged or muted.

use std::time::Duration;

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{Body, Path},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{TAG, channels::RuleDocument};
use crate::{
    service::alerts::{ADMIN, Alerts, ConditionView, DeliveryView, MuteView, Preview},
    web::AdminSession,
};

/// How many messages are listed.
const LISTED: u32 = 100;

/// What is wrong, what is muted, and the newest messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertsOverview {
    /// What is wrong now, by the rules.
    conditions: Vec<ConditionView>,
    /// What is muted.
    mutes: Vec<MuteView>,
    /// The newest 100 messages, the newest first.
    messages: Vec<DeliveryView>,
}

/// What is wrong by the rules, what is muted, and the newest messages with what became of them.
#[utoipa::path(
    get, path = "/api/admin/alerts", tag = TAG, operation_id = "admin_list_alerts",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AlertsOverview>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn list(_: AdminSession, State(alerts): State<Alerts>) -> Answer<PublicEnvelope<AlertsOverview>> {
    Ok(PublicEnvelope::of(AlertsOverview {
        conditions: alerts.conditions().await?,
        mutes: alerts.mutes().await?,
        messages: alerts.deliveries(None, None, LISTED).await?,
    }))
}

/// What a rule would have told in the last seven days. Nothing is sent or stored.
#[utoipa::path(
    post, path = "/api/admin/alerts/preview", tag = TAG, operation_id = "admin_preview_rule",
    request_body = RuleDocument,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Preview>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn preview(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Body(document): Body<RuleDocument>,
) -> Answer<PublicEnvelope<Preview>> {
    let rule = alerts.read_rule(document.rule)?;
    Ok(PublicEnvelope::of(alerts.preview(rule).await?))
}

/// Something that is wrong.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Acknowledgement {
    /// The key of a condition.
    key: String,
}

/// Acknowledges something that is wrong: nothing reminds of it any more, until it ends.
#[utoipa::path(
    post, path = "/api/admin/alerts/acknowledge", tag = TAG, operation_id = "admin_acknowledge_alert",
    request_body = Acknowledgement,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn acknowledge(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Body(Acknowledgement { key }): Body<Acknowledgement>,
) -> Answer<PublicEnvelope<()>> {
    alerts.acknowledge(&key, ADMIN).await?;
    Ok(PublicEnvelope::done("it is acknowledged"))
}

/// What to mute, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct MuteRequest {
    /// `all`, `rule:ID`, `node:ID`, `probe:ID`, `hub`, or the key of a condition.
    scope: String,
    /// For how many seconds, at most a year.
    #[schema(minimum = 1, maximum = 31_622_400)]
    seconds: u32,
}

/// Tells nothing about something for a while. What still holds at the end is told then.
#[utoipa::path(
    post, path = "/api/admin/alerts/mutes", tag = TAG, operation_id = "admin_mute_alerts",
    request_body = MuteRequest,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Vec<MuteView>>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn mute(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Body(MuteRequest { scope, seconds }): Body<MuteRequest>,
) -> Answer<PublicEnvelope<Vec<MuteView>>> {
    alerts.mute(&scope, Duration::from_secs(seconds.into()), ADMIN).await?;
    Ok(PublicEnvelope::of(alerts.mutes().await?))
}

/// Ends a mute before its time.
#[utoipa::path(
    delete, path = "/api/admin/alerts/mutes/{id}", tag = TAG, operation_id = "admin_unmute_alerts",
    params(("id" = i64, Path, description = "The mute's id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn unmute(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(id): Path<i64>,
) -> Answer<PublicEnvelope<()>> {
    alerts.unmute(id).await?;
    Ok(PublicEnvelope::done("it is not muted any more"))
}

/// Has a message sent again that failed.
#[utoipa::path(
    post, path = "/api/admin/alerts/messages/{id}/repeat", tag = TAG, operation_id = "admin_repeat_alert",
    params(("id" = Uuid, Path, description = "The message's id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, description = "No message with this id failed.", body = PublicRefusal),
    ),
)]
pub(super) async fn repeat(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(id): Path<Uuid>,
) -> Answer<PublicEnvelope<()>> {
    alerts.repeat(id).await?;
    Ok(PublicEnvelope::done("it is sent again"))
}
