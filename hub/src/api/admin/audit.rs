//! `/api/admin/events`: who changed what, and which authentications failed.

use axum::extract::State;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::Query,
    parameter::{self, Id, Text, Whole},
};
use easytier_uptime_store::domain::{ActorKind, AuditEvent, AuditFilter, AuditKind, AuditObject, Timestamp};
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{IntoParams, ToSchema, openapi::Schema};

use super::TAG;
use crate::{
    service::{AUDIT_LIMIT, Admin, AuditPage},
    web::{Permitted, ReadAudit},
};

const DEFAULT_LIMIT: u32 = 100;
const MAX_SEARCH: usize = 200;

/// Selects the events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only changes, or only failed authentications.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = kinds, required = false)]
    kind: Option<String>,
    /// Only what was done by these.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = actors, required = false)]
    actor: Option<String>,
    /// Only changes of these.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = objects, required = false)]
    object: Option<String>,
    /// Only events with this text in the id or name of the object, the name of the actor, the address or the detail.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = search, required = false)]
    search: Option<Text<MAX_SEARCH>>,
    /// Only events older than the event with this id.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::optional_id, required = false)]
    before: Option<Id>,
    /// The maximum number of events.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = limit, required = false)]
    limit: Option<Whole<1, AUDIT_LIMIT>>,
}

fn kinds() -> Schema {
    parameter::one_of(AuditKind::ALL.iter().map(|kind| kind.as_str()))
}

fn actors() -> Schema {
    parameter::one_of(ActorKind::ALL.iter().map(|kind| kind.as_str()))
}

fn objects() -> Schema {
    parameter::one_of(AuditObject::ALL.iter().map(|kind| kind.as_str()))
}

fn search() -> Schema {
    parameter::text(MAX_SEARCH)
}

fn limit() -> Schema {
    parameter::whole(1, AUDIT_LIMIT, Some(DEFAULT_LIMIT))
}

/// Events of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEvents {
    events: Vec<AuditItem>,
    /// The value of `before` for the next page; null on the last.
    next_before: Option<i64>,
}

/// A change, or failed authentications of one kind and source within a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditItem {
    /// Grows with time.
    id: i64,
    /// When it happened, by the database's clock; of several failures the last.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `change` or `failure`.
    #[schema(example = "change")]
    kind: &'static str,
    /// What was done: the kind of the object and the verb. Of failures what was wrong: `password`, `session`, `token`, `lapsed`,
    /// `scope`, `instance`, `metrics` or `link`.
    #[schema(example = "peer.change")]
    action: String,
    /// The id of the object; empty when it has none.
    object_id: String,
    /// The name of the object; empty when it has none.
    object_name: String,
    /// What else is known, such as the names of the fields that changed; empty when nothing is.
    #[schema(example = "name, tags")]
    detail: String,
    actor: AuditActor,
    /// The address of the caller, of failures over IPv6 its network; empty when there is none, or there were too many to tell apart.
    #[schema(example = "192.0.2.7")]
    source: String,
    /// How many failures it stands for; 1 for a change.
    count: u64,
}

/// Who acted, or tried to.
#[derive(Debug, Serialize, ToSchema)]
struct AuditActor {
    /// `admin`, `key`, `probe`, `enrollment`, `instance`, `cluster_secret`, `link`, `command`, `hub` or `anyone`.
    #[schema(example = "key")]
    kind: &'static str,
    /// The beginning of the session's id, the name of the key or user, the id of the probe or instance; it may be empty.
    name: String,
}

impl From<AuditEvent> for AuditItem {
    fn from(event: AuditEvent) -> Self {
        let AuditEvent { id, at, kind, action, object_id, object_name, detail, actor, source, count } = event;
        let actor = AuditActor { kind: actor.kind.as_str(), name: actor.name };
        Self { id, at, kind: kind.as_str(), action, object_id, object_name, detail, actor, source, count }
    }
}

/// Who changed what, from where, and which authentications failed, newest first. Failures of one kind and source within a minute
/// are one event with a count.
#[utoipa::path(
    get, path = "/api/admin/events", tag = TAG, operation_id = "admin_list_events",
    params(Filter),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AuditEvents>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `audit`.", body = PublicRefusal),
    ),
)]
pub(super) async fn list(
    _: Permitted<ReadAudit>,
    State(admin): State<Admin>,
    Query(filter): Query<Filter>,
) -> Answer<PublicEnvelope<AuditEvents>> {
    let Filter { kind, actor, object, search, before, limit } = filter;
    let filter = AuditFilter {
        kind: named("kind", kind.as_deref(), AuditKind::from_name)?,
        actor: named("actor", actor.as_deref(), ActorKind::from_name)?,
        object: named("object", object.as_deref(), AuditObject::from_name)?,
        search: search.map(|text| text.0),
        before: before.map(|id| id.0),
    };
    let AuditPage { events, next_before } = admin.audit(&filter, limit.map_or(DEFAULT_LIMIT, |limit| limit.0)).await?;
    Ok(PublicEnvelope::of(AuditEvents { events: events.into_iter().map(AuditItem::from).collect(), next_before }))
}

fn named<T>(
    field: &'static str,
    name: Option<&str>,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let unknown = || Refusal::bad_request(format!("{field}: there is no such one"));
    name.map(|name| from_name(name).ok_or_else(unknown)).transpose()
}
