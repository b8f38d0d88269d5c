//! Announcements: what the operator tells visitors.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{self, Body, Path},
};
use easytier_uptime_store::domain::{Announcement, AnnouncementId, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, SchemaType, Type},
    },
};

use super::lines::{LINE, in_one_language};
use crate::{
    board::Board,
    service::{Admin, AnnouncementRequest, MAX_ANNOUNCED_HOURS, MAX_ANNOUNCEMENT},
    web::{
        AdminSession,
        parameter::{self, Id},
    },
};

/// An announcement.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnnouncementItem {
    #[schema(value_type = i64)]
    id: AnnouncementId,
    /// `info`, `warning` or `critical`.
    #[schema(value_type = String, example = "warning")]
    severity: Severity,
    /// The text in English; null when there is only a Chinese one.
    english: Option<String>,
    /// The text in Chinese; null when there is only an English one.
    chinese: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ends by itself, or ended; null for one that somebody has to end.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
}

impl From<&Announcement> for AnnouncementItem {
    fn from(announcement: &Announcement) -> Self {
        let Announcement { id, content, created_at } = announcement.clone();
        Self {
            id,
            severity: content.severity,
            english: content.english,
            chinese: content.chinese,
            created_at,
            ends_at: content.ends_at,
        }
    }
}

/// An announcement to make.
#[derive(Debug, Deserialize)]
pub(super) struct AnnouncementBody {
    #[serde(default)]
    severity: Severity,
    #[serde(default)]
    english: String,
    #[serde(default)]
    chinese: String,
    #[serde(default, deserialize_with = "input::whole_number")]
    hours: Option<u32>,
}

impl ToSchema for AnnouncementBody {}

/// The severity, a text in one of the languages at least, and when it ends.
impl PartialSchema for AnnouncementBody {
    fn schema() -> RefOr<Schema> {
        let severities = Severity::ALL.map(Severity::as_str);
        let line = || parameter::string().pattern(Some(LINE)).max_length(Some(MAX_ANNOUNCEMENT));
        let hours = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
            .minimum(Some(1))
            .maximum(Some(MAX_ANNOUNCED_HOURS))
            .description(Some("After how many hours it ends by itself; without, somebody has to end it."));
        let fields = ObjectBuilder::new()
            .property("severity", parameter::string().enum_values(Some(severities)))
            .property("english", line())
            .property("chinese", line())
            .property("hours", hours);
        in_one_language(fields, MAX_ANNOUNCEMENT)
    }
}

/// What visitors are told now, the newest first.
#[utoipa::path(
    get, path = "/api/announcements", tag = "public", operation_id = "announcements",
    responses((status = OK, body = PublicEnvelope<Vec<AnnouncementItem>>)),
)]
pub(super) async fn current(State(board): State<Arc<Board>>) -> Answer<PublicEnvelope<Vec<AnnouncementItem>>> {
    let snapshot = board.newest().await?;
    Ok(PublicEnvelope::of(snapshot.announcements.iter().map(AnnouncementItem::from).collect()))
}

/// All announcements, also those that ended lately; the newest first.
#[utoipa::path(
    get, path = "/api/admin/announcements", tag = "admin", operation_id = "admin_announcements",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Vec<AnnouncementItem>>),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn all(_: AdminSession, State(admin): State<Admin>) -> Answer<PublicEnvelope<Vec<AnnouncementItem>>> {
    Ok(PublicEnvelope::of(admin.announcements().await?.iter().map(AnnouncementItem::from).collect()))
}

/// Makes an announcement. Visitors see it within seconds. The response has its id.
#[utoipa::path(
    post, path = "/api/admin/announcements", tag = "admin", operation_id = "admin_announce",
    request_body = AnnouncementBody,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<i64>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn announce(
    _: AdminSession,
    State(admin): State<Admin>,
    Body(AnnouncementBody { severity, english, chinese, hours }): Body<AnnouncementBody>,
) -> Answer<PublicEnvelope<i64>> {
    let lasts = hours.map(|hours| Duration::from_secs(u64::from(hours) * 3600));
    let id = admin.announce(AnnouncementRequest { severity, english, chinese, lasts }).await?;
    Ok(PublicEnvelope::of(id.0))
}

/// Ends an announcement.
#[utoipa::path(
    delete, path = "/api/admin/announcements/{id}", tag = "admin", operation_id = "admin_end_announcement",
    params(("id" = i64, Path, description = "The id of the announcement", minimum = 1)),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, description = "No announcement with this id is shown.", body = PublicRefusal),
    ),
)]
pub(super) async fn end(_: AdminSession, State(admin): State<Admin>, Path(id): Path<Id>) -> Answer<PublicEnvelope<()>> {
    admin.end_announcement(AnnouncementId(id.0)).await?;
    Ok(PublicEnvelope::done("the announcement is ended"))
}
