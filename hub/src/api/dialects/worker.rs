//! `GET /api/public`, `GET` and `POST /api/query`: the list and the choice of easytier-worker, which runs on Cloudflare Workers.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::{
    Refusal,
    envelope::PublicRefusal,
    input::{Body, MAX_STRANGERS_BODY, Query},
};
use easytier_uptime_store::domain::{Count, Node};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{TAG, is_domestic, respond};
use crate::{
    board::{Board, Entry, Sort},
    web::Poster,
};

/// How many nodes a query returns.
const CHOSEN: usize = 3;

/// Which nodes to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Shown {
    /// `true` or `1`: nodes that are offline too.
    #[serde(default)]
    #[param(required = false, example = "true")]
    show_offline: Option<String>,
}

impl Shown {
    fn offline_too(&self) -> bool {
        self.show_offline.as_deref().is_some_and(|text| ["true", "1"].contains(&text))
    }
}

/// What a client prefers.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wish {
    #[param(inline, required = false)]
    region: Place,
    #[param(inline, required = false)]
    priority: Priority,
    /// Only nodes whose owner offers to relay.
    #[param(required = false)]
    relay_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// In mainland China, as the node's tags say.
    Domestic,
    /// Without such a tag.
    Overseas,
    #[default]
    All,
}

/// What matters most. Nodes do not tell their traffic and bandwidth, so the load counts for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Priority {
    /// The least loaded node first.
    #[default]
    Traffic,
    /// The least loaded node first.
    Bandwidth,
    /// The node with the shortest round trip first.
    Latency,
}

impl Priority {
    fn sort(self) -> Sort {
        match self {
            Self::Traffic | Self::Bandwidth => Sort::Load,
            Self::Latency => Sort::Latency,
        }
    }
}

impl Place {
    fn has(self, entry: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::Domestic => is_domestic(entry),
            Self::Overseas => !is_domestic(entry),
        }
    }
}

/// Nodes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Nodes {
    nodes: Vec<WorkerNode>,
}

/// A node as easytier-worker lists it. What only the node itself could tell, its bandwidth and its traffic, is null.
#[derive(Debug, Serialize, ToSchema)]
struct WorkerNode {
    id: i64,
    node_name: String,
    /// `domestic` or `overseas`.
    region_type: &'static str,
    /// Always empty.
    region_detail: &'static str,
    connections: [Connection; 1],
    current_bandwidth: Option<f64>,
    tier_bandwidth: Option<f64>,
    max_bandwidth: Option<f64>,
    used_traffic: Option<f64>,
    max_traffic: Option<f64>,
    /// Networks on the node; null when that was never measured.
    connection_count: Option<u32>,
    /// 0 when no limit is known.
    max_connections: u32,
    /// Joined by commas.
    tags: String,
    /// `online` or `offline`.
    status: &'static str,
    /// A character for each quarter of the last 24 hours, the oldest first: `0` not checked, `1` offline, `2` online.
    recent_status: String,
    /// 1 if its owner offers to relay, otherwise 0.
    allow_relay: u8,
    reset_date: Option<String>,
}

/// How to reach a node.
#[derive(Debug, Serialize, ToSchema)]
struct Connection {
    /// The scheme of its URL, in capitals.
    #[serde(rename = "type")]
    #[schema(example = "TCP")]
    kind: String,
    /// A host name or an address, an IPv6 one in brackets: readers put it in front of `:` and the port.
    ip: String,
    /// 0 for a `txt` or `srv` node, which has none.
    port: u16,
}

impl From<&Node> for Connection {
    fn from(Node { url, .. }: &Node) -> Self {
        let ip = url.host().map(ToString::to_string).unwrap_or_default();
        Self { kind: url.protocol().to_ascii_uppercase(), ip, port: url.port().unwrap_or(0) }
    }
}

fn recent(count: &Count) -> char {
    match (count.checks, count.healthy) {
        (0, _) => '0',
        (_, 0) => '1',
        _ => '2',
    }
}

impl From<&Entry> for WorkerNode {
    fn from(entry: &Entry) -> Self {
        let node = entry.node();
        let tags: Vec<&str> = node.tags.iter().map(|tag| tag.as_str()).collect();
        Self {
            id: node.id.0,
            node_name: node.name.clone(),
            region_type: if is_domestic(entry) { "domestic" } else { "overseas" },
            region_detail: "",
            connections: [node.into()],
            current_bandwidth: None,
            tier_bandwidth: None,
            max_bandwidth: None,
            used_traffic: None,
            max_traffic: None,
            connection_count: node.current_connections,
            max_connections: node.max_connections,
            tags: tags.join(","),
            status: if entry.is_active() { "online" } else { "offline" },
            recent_status: node.ring.iter().rev().map(recent).collect(),
            allow_relay: node.allow_relay.into(),
            reset_date: None,
        }
    }
}

/// The nodes that are online, as easytier-worker lists them.
#[utoipa::path(
    get, path = "/api/public", tag = TAG, operation_id = "nodes_for_easytier_worker",
    params(Shown),
    responses(
        (status = OK, body = Nodes),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
    ),
)]
pub(super) async fn public(
    State(board): State<Arc<Board>>,
    Query(shown): Query<Shown>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let all = shown.offline_too();
    respond(&board, if all { "/api/public all" } else { "/api/public" }, &request, |snapshot| {
        let listed = snapshot.entries.iter().filter(|entry| entry.node().for_guests && (all || entry.is_active()));
        Nodes { nodes: listed.map(WorkerNode::from).collect() }
    })
    .await
}

/// The up to three nodes that suit a client best, as easytier-worker chooses them.
#[utoipa::path(
    get, path = "/api/query", tag = TAG, operation_id = "query_for_easytier_worker",
    params(Wish),
    responses(
        (status = OK, body = Nodes),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
    ),
)]
pub(super) async fn query(
    State(board): State<Arc<Board>>,
    Query(wish): Query<Wish>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    chosen(&board, &wish, &request).await
}

/// The same with the wish as a document.
#[utoipa::path(
    post, path = "/api/query", tag = TAG, operation_id = "post_query_for_easytier_worker",
    request_body = Wish,
    responses(
        (status = OK, body = Nodes),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
    ),
)]
pub(super) async fn post_query(
    State(board): State<Arc<Board>>,
    _poster: Poster,
    Body(wish): Body<Wish, MAX_STRANGERS_BODY>,
) -> Result<Response, Refusal> {
    chosen(&board, &wish, &HeaderMap::new()).await
}

async fn chosen(board: &Board, wish: &Wish, request: &HeaderMap) -> Result<Response, Refusal> {
    respond(board, &format!("/api/query {wish:?}"), request, |snapshot| {
        let suits = |entry: &&Entry| {
            let node = entry.node();
            entry.is_active() && node.for_guests && wish.region.has(entry) && (!wish.relay_only || node.allow_relay)
        };
        let nodes = snapshot.sorted(wish.priority.sort()).filter(suits).take(CHOSEN).map(WorkerNode::from).collect();
        Nodes { nodes }
    })
    .await
}
