//! `GET /nodes.txt`: URLs, one a line, which EasyTier clients read that have the URL of this list as a peer.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::Refusal;

use super::{TAG, reachable, respond_text};
use crate::board::{Board, Snapshot};

fn lines(snapshot: &Snapshot) -> String {
    reachable(snapshot).map(|entry| entry.node().url.full() + "\n").collect()
}

/// The URLs of the nodes that are online for most regions and have an address of their own, one a line, the best first. EasyTier
/// clients that have the URL of this list as a peer try them in random order.
#[utoipa::path(
    get, path = "/nodes.txt", tag = TAG, operation_id = "nodes_for_easytier",
    responses(
        (status = OK, body = String, content_type = "text/plain; charset=utf-8"),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
    ),
)]
pub(super) async fn list(State(board): State<Arc<Board>>, request: HeaderMap) -> Result<Response, Refusal> {
    respond_text(&board, "/nodes.txt".to_owned(), &request, lines).await
}
