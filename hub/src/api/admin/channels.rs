//! `/api/admin/channels`: where changes are told, and by which rules.

use axum::extract::State;
use easytier_uptime_alerts::{Language, Outcome};
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{Body, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::TAG;
use crate::{
    service::alerts::{Alerts, ChannelChange, ChannelView, NewChannel, RuleView},
    web::AdminSession,
};

/// All channels, the oldest first, without secrets.
#[utoipa::path(
    get, path = "/api/admin/channels", tag = TAG, operation_id = "admin_list_channels",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Vec<ChannelView>>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn list(_: AdminSession, State(alerts): State<Alerts>) -> Answer<PublicEnvelope<Vec<ChannelView>>> {
    Ok(PublicEnvelope::of(alerts.channels().await?))
}

/// Adds a channel. It tells nothing until it has a rule.
#[utoipa::path(
    post, path = "/api/admin/channels", tag = TAG, operation_id = "admin_add_channel",
    request_body = NewChannel,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<ChannelView>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = CONFLICT, description = "Another channel has the name, or this instance is a dependent.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn add(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Body(new): Body<NewChannel>,
) -> Answer<PublicEnvelope<ChannelView>> {
    Ok(PublicEnvelope::of(alerts.add_channel(new).await?))
}

/// Changes a channel. What is missing stays as it is; an empty text clears a setting.
#[utoipa::path(
    put, path = "/api/admin/channels/{channel}", tag = TAG, operation_id = "admin_change_channel",
    params(("channel" = String, Path, description = "The channel's name or id")), request_body = ChannelChange,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<ChannelView>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "Another channel has the name, or this instance is a dependent.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn change(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(channel): Path<String>,
    Body(change): Body<ChannelChange>,
) -> Answer<PublicEnvelope<ChannelView>> {
    Ok(PublicEnvelope::of(alerts.change_channel(&channel, change).await?))
}

/// Removes a channel with its rules. Its messages that wait are dropped.
#[utoipa::path(
    delete, path = "/api/admin/channels/{channel}", tag = TAG, operation_id = "admin_remove_channel",
    params(("channel" = String, Path, description = "The channel's name or id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent.", body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(channel): Path<String>,
) -> Answer<PublicEnvelope<()>> {
    alerts.remove_channel(&channel).await?;
    Ok(PublicEnvelope::done("the channel is removed"))
}

/// How a test of a channel ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelTest {
    /// Whether the channel took the message.
    delivered: bool,
    /// What the channel said otherwise.
    why: Option<String>,
}

/// Sends a test message to a channel, at once and once.
#[utoipa::path(
    post, path = "/api/admin/channels/{channel}/test", tag = TAG, operation_id = "admin_test_channel",
    params(("channel" = String, Path, description = "The channel's name or id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, description = "How it ended; `success` is false when the channel did not take it.",
            body = PublicEnvelope<ChannelTest>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn test(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(channel): Path<String>,
) -> Answer<PublicEnvelope<ChannelTest>> {
    let why = match alerts.test_channel(&channel, Language::default()).await? {
        Outcome::Delivered => None,
        Outcome::Retry { why, .. } | Outcome::Refused { why } | Outcome::Unclear { why } => Some(why),
    };
    let delivered = why.is_none();
    Ok(PublicEnvelope::outcome(delivered, ChannelTest { delivered, why: why.clone() }, why))
}

/// A rule, with the fields of a channel's rules. One without `id` is new.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RuleDocument {
    /// The rule.
    #[schema(value_type = Object)]
    pub(super) rule: Map<String, Value>,
}

/// Adds a rule to a channel, or changes the one with its id there.
#[utoipa::path(
    post, path = "/api/admin/channels/{channel}/rules", tag = TAG, operation_id = "admin_put_rule",
    params(("channel" = String, Path, description = "The channel's name or id")), request_body = RuleDocument,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<RuleView>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn put_rule(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(channel): Path<String>,
    Body(document): Body<RuleDocument>,
) -> Answer<PublicEnvelope<RuleView>> {
    let rule = alerts.read_rule(document.rule)?;
    Ok(PublicEnvelope::of(alerts.put_rule(&channel, rule).await?))
}

/// Removes a rule.
#[utoipa::path(
    delete, path = "/api/admin/rules/{rule}", tag = TAG, operation_id = "admin_remove_rule",
    params(("rule" = Uuid, Path, description = "The rule's id")),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent.", body = PublicRefusal),
    ),
)]
pub(super) async fn remove_rule(
    _: AdminSession,
    State(alerts): State<Alerts>,
    Path(rule): Path<Uuid>,
) -> Answer<PublicEnvelope<()>> {
    alerts.remove_rule(rule).await?;
    Ok(PublicEnvelope::done("the rule is removed"))
}
