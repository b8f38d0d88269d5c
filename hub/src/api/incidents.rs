//! Incidents: what visitors read of them, and what the operator writes.

use axum::extract::State;
use easytier_uptime_alerts::Cause;
use easytier_uptime_monitor::{
    Party,
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{Body, Path, Query},
    paging::Paged,
    parameter::{self, Whole},
};
use easytier_uptime_store::domain::{
    Incident, IncidentEntry, IncidentFilter, IncidentId, IncidentNode, PageRequest, PeerId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::ObjectBuilder},
};

use super::lines::{LINE, in_one_language};
use crate::{
    board::Chronicle,
    service::{
        Admin, MAX_INCIDENT_NAME, MAX_POST, Wording,
        incidents::{Detail, IncidentState, RegionSight, cause, state},
    },
    web::{AdminSession, Client, parameter::Id},
};

const MAX_PER_PAGE: u32 = 100;

/// Selects incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only `open` incidents, also those that recover, or only `closed` ones.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = states, required = false)]
    state: Option<Openness>,
    /// Only incidents of this node.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::optional_id, required = false)]
    node_id: Option<Id>,
    /// The number of the page, from 1.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = page, required = false)]
    page: Option<Whole<1, { u32::MAX }>>,
    /// The number of incidents on a page, at most 100.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = per_page, required = false)]
    per_page: Option<Whole<1, MAX_PER_PAGE>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Openness {
    Open,
    Closed,
}

fn states() -> Schema {
    parameter::one_of(["open", "closed"])
}

fn page() -> Schema {
    parameter::whole(1, u32::MAX, Some(1))
}

fn per_page() -> Schema {
    parameter::whole(1, MAX_PER_PAGE, Some(PageRequest::default().per_page))
}

/// What the nodes of an incident have in common.
#[derive(Debug, Serialize, ToSchema)]
struct CauseItem {
    /// `host`, `network`, `region` or `probe`.
    #[schema(example = "network")]
    kind: &'static str,
    /// The host, the network or the region; of a probe its region.
    #[schema(example = "192.0.2.0/24")]
    value: String,
}

/// A node of an incident.
#[derive(Debug, Serialize, ToSchema)]
struct NodeItem {
    #[schema(value_type = i64)]
    id: PeerId,
    name: String,
    /// Its status, or what it was when the incident was closed: `up`, `partial`, `down` or `unknown`.
    status: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// An incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentItem {
    #[schema(value_type = i64)]
    id: IncidentId,
    state: IncidentState,
    /// What the operator calls it, in English.
    english: Option<String>,
    /// What the operator calls it, in Chinese.
    chinese: Option<String>,
    cause: Option<CauseItem>,
    /// When its first node went wrong.
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// Since when all its nodes are well.
    #[schema(value_type = Option<String>, format = DateTime)]
    well_at: Option<Timestamp>,
    /// When it was closed: all its nodes had been well for ten minutes, or the operator closed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Its nodes, at most 50.
    nodes: Vec<NodeItem>,
    /// How many nodes it has.
    node_count: u32,
}

impl From<&Incident> for IncidentItem {
    fn from(incident: &Incident) -> Self {
        let node =
            |node: IncidentNode| NodeItem { id: node.id, name: node.name, status: node.verdict, since: node.since };
        let cause = cause(incident);
        let cause =
            cause.as_ref().map(|cause: &Cause| CauseItem { kind: cause.kind(), value: cause.value().to_owned() });
        let state = state(incident);
        let Incident { id, opened_at, well_at, closed_at, english, chinese, updated_at, nodes, node_count, .. } =
            incident.clone();
        let nodes = nodes.into_iter().map(node).collect();
        Self { id, state, english, chinese, cause, opened_at, well_at, closed_at, updated_at, nodes, node_count }
    }
}

/// A node that an entry names.
#[derive(Debug, Serialize, ToSchema)]
struct NamedNode {
    #[schema(value_type = i64)]
    id: PeerId,
    name: String,
}

/// An entry of a timeline.
#[derive(Debug, Serialize, ToSchema)]
struct EntryItem {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `opened`, `joined` (more nodes), `changed` (nodes came to have another status), `acknowledged`, `posted` (by the operator),
    /// `closed`, or `ended` (closed by the operator).
    #[schema(example = "opened")]
    kind: String,
    /// The status that the nodes came to have: `up`, `partial`, `down` or `unknown`.
    status: Option<String>,
    /// The nodes, at most 20.
    nodes: Vec<NamedNode>,
    /// How many nodes there were.
    node_count: u64,
    /// What the regions saw of them, at most 20 regions.
    regions: Vec<RegionSight>,
    /// Who acknowledged.
    by: Option<String>,
    /// What the operator wrote, in English.
    english: Option<String>,
    /// What the operator wrote, in Chinese.
    chinese: Option<String>,
}

impl From<&IncidentEntry> for EntryItem {
    fn from(entry: &IncidentEntry) -> Self {
        let Detail { verdict, nodes: node_count, by, regions } = Detail::read(&entry.detail);
        let IncidentEntry { id, at, kind, english, chinese, nodes, .. } = entry.clone();
        let nodes = nodes.into_iter().map(|(id, name)| NamedNode { id, name }).collect();
        Self { id, at, kind, status: verdict, nodes, node_count, regions, by, english, chinese }
    }
}

/// An incident with its timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Timeline {
    #[serde(flatten)]
    incident: IncidentItem,
    /// What happened, the oldest first: at most 200 changes, and what the operator wrote.
    timeline: Vec<EntryItem>,
    /// How many changes there were, also those that the timeline leaves out.
    changes: u32,
}

/// Incidents: changes of one cause, from the beginning until all has been well for ten minutes. The open ones come first.
#[utoipa::path(
    get, path = "/api/incidents", tag = "public", operation_id = "incidents",
    params(Filter),
    responses(
        (status = OK, body = PublicEnvelope<Paged<IncidentItem>>),
        (status = BAD_REQUEST, body = PublicRefusal),
    ),
)]
pub(super) async fn list(
    State(chronicle): State<Chronicle>,
    Client(from): Client,
    Query(filter): Query<Filter>,
) -> Answer<PublicEnvelope<Paged<IncidentItem>>> {
    let Filter { state, node_id, page, per_page } = filter;
    let usual = PageRequest::default();
    let request = PageRequest {
        page: page.map_or(usual.page, |page| page.0),
        per_page: per_page.map_or(usual.per_page, |per_page| per_page.0),
    };
    let open = state.map(|state| state == Openness::Open);
    let filter = IncidentFilter { open, node: node_id.map(|id| PeerId(id.0)) };
    let page = chronicle.list(Party::of(from), filter, request).await?;
    Ok(PublicEnvelope::of(Paged::new((*page).clone(), request, |incident| IncidentItem::from(&incident))))
}

/// An incident with its timeline.
#[utoipa::path(
    get, path = "/api/incidents/{id}", tag = "public", operation_id = "incident",
    params(("id" = i64, Path, description = "The id of the incident", minimum = 1)),
    responses(
        (status = OK, body = PublicEnvelope<Timeline>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn one(
    State(chronicle): State<Chronicle>,
    Client(from): Client,
    Path(id): Path<Id>,
) -> Answer<PublicEnvelope<Timeline>> {
    let read = chronicle.timeline(Party::of(from), IncidentId(id.0)).await?;
    let (incident, entries) = &*read;
    Ok(PublicEnvelope::of(Timeline {
        incident: incident.into(),
        timeline: entries.iter().map(EntryItem::from).collect(),
        changes: incident.changes,
    }))
}

/// Texts of at most `MAX` characters.
#[derive(Debug, Deserialize)]
pub(super) struct WordingBody<const MAX: usize> {
    #[serde(default)]
    english: String,
    #[serde(default)]
    chinese: String,
}

impl<const MAX: usize> WordingBody<MAX> {
    fn wording(self) -> Wording {
        Wording { english: self.english, chinese: self.chinese }
    }

    fn fields() -> ObjectBuilder {
        let line = || parameter::string().pattern(Some(LINE)).max_length(Some(MAX));
        ObjectBuilder::new().property("english", line()).property("chinese", line())
    }
}

/// The operator's words, in one of the languages at least.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct PostBody(WordingBody<MAX_POST>);

impl ToSchema for PostBody {}

impl PartialSchema for PostBody {
    fn schema() -> RefOr<Schema> {
        in_one_language(WordingBody::<MAX_POST>::fields(), MAX_POST)
    }
}

/// What the operator calls an incident; nothing for the usual name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct NameBody(WordingBody<MAX_INCIDENT_NAME>);

impl ToSchema for NameBody {}

impl PartialSchema for NameBody {
    fn schema() -> RefOr<Schema> {
        WordingBody::<MAX_INCIDENT_NAME>::fields().into()
    }
}

/// Adds the operator's words to the timeline of an incident. Visitors see them within seconds.
#[utoipa::path(
    post, path = "/api/admin/incidents/{id}/posts", tag = "admin", operation_id = "admin_post_to_incident",
    params(("id" = i64, Path, description = "The id of the incident", minimum = 1)),
    request_body = PostBody,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "It has too many texts.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn post(
    _: AdminSession,
    State(admin): State<Admin>,
    Path(id): Path<Id>,
    Body(PostBody(body)): Body<PostBody>,
) -> Answer<PublicEnvelope<()>> {
    admin.post_to_incident(IncidentId(id.0), &body.wording()).await?;
    Ok(PublicEnvelope::done("it is posted"))
}

/// Gives an incident a name.
#[utoipa::path(
    put, path = "/api/admin/incidents/{id}/name", tag = "admin", operation_id = "admin_name_incident",
    params(("id" = i64, Path, description = "The id of the incident", minimum = 1)),
    request_body = NameBody,
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
pub(super) async fn name(
    _: AdminSession,
    State(admin): State<Admin>,
    Path(id): Path<Id>,
    Body(NameBody(body)): Body<NameBody>,
) -> Answer<PublicEnvelope<()>> {
    admin.name_incident(IncidentId(id.0), &body.wording()).await?;
    Ok(PublicEnvelope::done("the name is stored"))
}

/// Closes an incident although not all of its nodes are well. Nodes that stay as they are open no other.
#[utoipa::path(
    post, path = "/api/admin/incidents/{id}/close", tag = "admin", operation_id = "admin_close_incident",
    params(("id" = i64, Path, description = "The id of the incident", minimum = 1)),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, description = "No incident with this id is open.", body = PublicRefusal),
    ),
)]
pub(super) async fn close(
    _: AdminSession,
    State(admin): State<Admin>,
    Path(id): Path<Id>,
) -> Answer<PublicEnvelope<()>> {
    admin.close_incident(IncidentId(id.0)).await?;
    Ok(PublicEnvelope::done("the incident is closed"))
}
