//! The list of nodes, one node, its address, and all tags.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_probe::{Relay, Scheme};
use easytier_uptime_store::domain::{NodeFilter, Tag};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;
use utoipa::{IntoParams, openapi::Schema};

use super::{TAG, item::NodeItem, source::Nodes};
use crate::{
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::{Path, Query},
    paging::{Paged, Paging},
    parameter::{self, NodePath, Text},
    refusal::Refusal,
};

/// Selects the nodes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Online now, in any region.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::boolean, required = false)]
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = protocol, required = false)]
    protocol: Option<Scheme>,
    /// Part of the name, the address or the description; the case of ASCII letters makes no difference.
    #[param(schema_with = search, required = false)]
    search: Option<Text<MAX_SEARCH>>,
    /// What tests found last, whether the node relays data between two guests.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = relay, required = false)]
    relay_measured: Option<Relay>,
    /// Nodes with any of these tags.
    #[serde(default)]
    #[param(schema_with = tags, required = false, style = Form, explode)]
    tags: Vec<String>,
}

fn relay() -> Schema {
    parameter::one_of(Relay::ALL.map(Relay::name))
}

/// The longest text to search for, in characters.
pub const MAX_SEARCH: usize = 200;

/// The pattern of tags and regions.
pub const LABEL_PATTERN: &str = r"^[^,\u0000-\u001f\u007f-\u009f]*$";

/// The schema of the parameter `protocol`.
pub fn protocol() -> Schema {
    parameter::one_of(Scheme::all().map(Scheme::as_str))
}

/// The schema of the parameter `search`.
pub fn search() -> Schema {
    parameter::text(MAX_SEARCH)
}

/// The schema of a tag or a region.
pub fn label() -> Schema {
    parameter::string().max_length(Some(64)).pattern(Some(LABEL_PATTERN)).into()
}

/// The schema of the parameter `tags`, which may be there several times.
pub fn tags() -> Schema {
    parameter::several(parameter::string().max_length(Some(64)).pattern(Some(LABEL_PATTERN)))
}

/// The tags of the parameter `tags`; empty ones count as missing.
///
/// # Errors
///
/// A 400 for a text that is no tag.
pub fn parse_tags(texts: &[String]) -> Result<BTreeSet<Tag>, Refusal> {
    let tags = texts.iter().filter(|tag| !tag.trim().is_empty()).map(|tag| tag.parse::<Tag>());
    tags.collect::<Result<_, _>>().map_err(|error| Refusal::bad_request(format!("tags: {error}")))
}

impl Filter {
    /// The filter of the store.
    ///
    /// # Errors
    ///
    /// A 400 for a tag that is none.
    pub fn parse(self) -> Result<NodeFilter, Refusal> {
        Ok(NodeFilter {
            is_active: self.is_active,
            protocol: self.protocol,
            search: self.search.map(|search| search.0),
            relay_measured: self.relay_measured,
            tags: parse_tags(&self.tags)?,
        })
    }
}

/// All approved nodes, in the order of their ids.
#[utoipa::path(
    get, path = "/api/nodes", tag = TAG, operation_id = "list_nodes",
    params(Paging, Filter),
    responses(
        (status = OK, body = PublicEnvelope<Paged<NodeItem>>),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
    ),
)]
pub(super) async fn list(
    State(nodes): State<Arc<dyn Nodes>>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    nodes.list(filter.parse()?, paging.request(), &request).await
}

/// One node.
#[utoipa::path(
    get, path = "/api/nodes/{id}", tag = TAG, operation_id = "node",
    params(NodePath),
    responses(
        (status = OK, body = PublicEnvelope<NodeItem>),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn node(
    State(nodes): State<Arc<dyn Nodes>>,
    Path(NodePath { id }): Path<NodePath>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    nodes.node(id, &request).await
}

/// The address of a node, `protocol://host:port`. An EasyTier client (2.3 or newer) accepts the URL of this endpoint as a
/// peer.
#[utoipa::path(
    get, path = "/node/{id}", tag = TAG, operation_id = "node_address",
    params(NodePath),
    responses(
        (status = OK, body = String, content_type = "text/plain; charset=utf-8"),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn address(
    State(nodes): State<Arc<dyn Nodes>>,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<String, Refusal> {
    nodes.address(id).await
}

/// The tags of all nodes, sorted.
#[utoipa::path(
    get, path = "/api/tags", tag = TAG, operation_id = "tags",
    responses((status = OK, body = PublicEnvelope<Vec<String>>)),
)]
pub(super) async fn all_tags(State(nodes): State<Arc<dyn Nodes>>) -> Answer<PublicEnvelope<Vec<String>>> {
    Ok(PublicEnvelope::of(nodes.tags().await?))
}
