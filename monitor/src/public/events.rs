//! Changes of nodes and probes.

use axum::extract::State;
use easytier_uptime_store::{
    Store,
    domain::{Event, EventKind, EventSubject, PeerId, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use serde_json::Value as Json;
use utoipa::{IntoParams, ToSchema, openapi::Schema};

use super::TAG;
use crate::{
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::Query,
    parameter::{self, Id, Whole},
};

const MAX_LIMIT: u32 = 1000;
const DEFAULT_LIMIT: u32 = 100;

/// Selects the events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only events of this node.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::optional_id, required = false)]
    node_id: Option<Id>,
    /// Only events older than the event with this id.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::optional_id, required = false)]
    before: Option<Id>,
    /// The maximum number of events.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = limit, required = false)]
    limit: Option<Whole<1, MAX_LIMIT>>,
}

fn limit() -> Schema {
    parameter::whole(1, MAX_LIMIT, Some(DEFAULT_LIMIT))
}

/// Events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Events {
    events: Vec<EventItem>,
    /// The value of `before` for the next page; null on the last.
    next_before: Option<i64>,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventItem {
    /// Grows with time.
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `peer`: the consensus of a node changed (`unknown`, `down`, `partial`, `up`). `probe`: a probe appeared or
    /// disappeared (`online`, `offline`). `relay`: tests found something else than before of whether a node relays (`ok`, `refused`,
    /// `failed`).
    #[schema(value_type = String, example = "peer")]
    kind: EventKind,
    /// The node's or the probe's id.
    subject_id: i64,
    #[schema(example = "up")]
    was: String,
    #[schema(example = "down")]
    became: String,
    /// For a node `{"online": n, "regions": n}`: the number of regions that saw it online, and of all regions with a recent
    /// result. For a probe `{"region": …}`. For relaying `{"reason": …}`: why the node does not relay, or null.
    #[schema(value_type = Object)]
    detail: Json,
}

impl From<Event> for EventItem {
    fn from(event: Event) -> Self {
        let Event { id, at, kind, subject_id, was, became, mut detail } = event;
        if let Some(detail) = detail.as_object_mut() {
            // A server_id is often a host name, which only the operator may see.
            detail.remove("server_id");
        }
        Self { id, at, kind, subject_id, was, became, detail }
    }
}

/// Changes of nodes and of probes, newest first.
#[utoipa::path(
    get, path = "/api/events", tag = TAG, operation_id = "events",
    params(Filter),
    responses(
        (status = OK, body = PublicEnvelope<Events>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn events(State(store): State<Store>, Query(filter): Query<Filter>) -> Answer<PublicEnvelope<Events>> {
    let Filter { node_id, before, limit } = filter;
    if let Some(Id(id)) = node_id {
        store.node_url(PeerId(id)).await?;
    }
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit.0);
    let subject = node_id.map(|Id(id)| EventSubject::Peer(PeerId(id)));
    // One more than requested tells whether there is another page.
    let mut events = store.events(subject, before.map(|id| id.0), limit + 1, false).await?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next_before = events.last().filter(|_| more).map(|event| event.id);
    Ok(PublicEnvelope::of(Events { events: events.into_iter().map(EventItem::from).collect(), next_before }))
}
