//! `GET /nodes.json`: the array that Terracotta, HMCL and launchers built on them read.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

use super::{TAG, is_domestic, respond, usable};
use crate::board::{Board, Entry};

/// A node for Terracotta.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedNode {
    /// Where an EasyTier client finds it.
    #[schema(example = "tcp://node.example.net:11010")]
    url: String,
    /// `CN` for a node in mainland China, as its tags say; otherwise empty.
    #[schema(example = "CN")]
    region: &'static str,
}

impl From<&Entry> for ListedNode {
    fn from(entry: &Entry) -> Self {
        Self { url: entry.node().url.full(), region: if is_domestic(entry) { "CN" } else { "" } }
    }
}

/// The nodes that are online, as Terracotta and HMCL read them.
#[utoipa::path(
    get, path = "/nodes.json", tag = TAG, operation_id = "nodes_for_terracotta",
    responses(
        (status = OK, body = Vec<ListedNode>),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
    ),
)]
pub(super) async fn list(State(board): State<Arc<Board>>, request: HeaderMap) -> Result<Response, Refusal> {
    respond(&board, "/nodes.json", &request, |snapshot| usable(snapshot).map(ListedNode::from).collect::<Vec<_>>())
        .await
}
