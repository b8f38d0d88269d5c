//! The list of nodes in the forms that other programs of the EasyTier world read, so that each of them can be pointed at a hub by
//! changing its base URL. Each document is made once from a snapshot, for all who ask for the same.

mod announce;
mod node_list;
mod status_page;
mod worker;

use axum::{body::Bytes, http::HeaderMap, response::Response, routing::get};
use easytier_uptime_monitor::{Refusal, public::source::JSON};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    board::{Board, Entry, Key, Snapshot},
    web::App,
};

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "dialects";

/// Tags that say that a node is in mainland China, which several of these forms distinguish.
const DOMESTIC: [&str; 6] = ["国内", "中国", "中国大陆", "CN", "China", "domestic"];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(node_list::list))
        .routes(routes!(status_page::page))
        .routes(routes!(status_page::heartbeats))
        .routes(routes!(announce::announce))
        .routes(routes!(announce::version))
        .routes(routes!(worker::public))
        .routes(routes!(worker::query))
        // Where PCL-CE asks: the same documents.
        .route("/api/link/announce.json", get(announce::announce))
        .route("/api/link/cache.ini", get(announce::version))
}

/// Whether its operator says that the node is in mainland China.
fn is_domestic(entry: &Entry) -> bool {
    entry.node().tags.iter().any(|tag| DOMESTIC.iter().any(|domestic| tag.as_str().eq_ignore_ascii_case(domestic)))
}

/// The nodes that clients can use now, by id.
fn usable(snapshot: &Snapshot) -> impl Iterator<Item = &Entry> {
    snapshot.entries.iter().filter(|entry| entry.is_active())
}

/// Responds with the JSON document `name` that `make` makes of the newest snapshot.
async fn respond<T: Serialize>(
    board: &Board,
    name: &str,
    request: &HeaderMap,
    make: impl FnOnce(&Snapshot) -> T,
) -> Result<Response, Refusal> {
    let snapshot = board.newest().await?;
    let key = Key { name: name.to_owned(), variant: "json", vary: "origin", media_type: JSON };
    board.respond(&snapshot, &key, request, || {
        serde_json::to_vec(&make(&snapshot)).map(Bytes::from).map_err(|error| {
            tracing::error!(%error, name, "a document cannot be written");
            Refusal::internal()
        })
    })
}
