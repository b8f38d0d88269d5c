//! The list of nodes in the forms that other programs of the EasyTier world read, so that each of them can be pointed at a hub by
//! changing its base URL. Each document is made once from a snapshot, for all who ask for the same.

mod announce;
mod node_list;
mod plain;
mod status_page;
mod worker;
mod zone;

use axum::{body::Bytes, http::HeaderMap, response::Response};
use easytier_uptime_monitor::{Refusal, public::source::JSON};
use easytier_uptime_store::domain::Verdict;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    board::{Board, Entry, Key, Snapshot, Sort},
    web::App,
};

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "dialects";

/// The media type of lists of URLs.
const TEXT: &str = "text/plain; charset=utf-8";

/// Tags that say that a node is in mainland China, which several of these forms distinguish.
const DOMESTIC: [&str; 6] = ["国内", "中国", "中国大陆", "CN", "China", "domestic"];

/// Tags that say that it is elsewhere.
const OVERSEAS: [&str; 4] = ["海外", "国外", "境外", "overseas"];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(node_list::list))
        .routes(routes!(plain::list))
        .routes(routes!(zone::export))
        .routes(routes!(status_page::page))
        .routes(routes!(status_page::heartbeats))
        .routes(routes!(announce::announce))
        .routes(routes!(announce::version))
        .routes(routes!(worker::public))
        .routes(routes!(worker::query, worker::post_query))
        .routes(routes!(announce::announce_there))
        .routes(routes!(announce::version_there))
}

/// Whether its operator says that the node is in mainland China.
fn is_domestic(entry: &Entry) -> bool {
    has_any(entry, &DOMESTIC)
}

/// Whether its operator says that the node is not in mainland China.
fn is_overseas(entry: &Entry) -> bool {
    has_any(entry, &OVERSEAS)
}

fn has_any(entry: &Entry, tags: &[&str]) -> bool {
    entry.node().tags.iter().any(|tag| tags.iter().any(|known| tag.as_str().eq_ignore_ascii_case(known)))
}

/// The nodes that anybody can use now, by id.
fn usable(snapshot: &Snapshot) -> impl Iterator<Item = &Entry> {
    snapshot.entries.iter().filter(|entry| entry.is_active() && entry.node().for_guests)
}

/// The nodes that an EasyTier client can take one of at random, the best first: most regions see them, and they are reached at
/// their own address. The URL of a list among them might lead a client back here.
fn reachable(snapshot: &Snapshot) -> impl Iterator<Item = &Entry> {
    snapshot.sorted(Sort::Best).filter(|entry| {
        let node = entry.node();
        let is_direct = node.url.scheme().is_some_and(|scheme| !scheme.is_indirect());
        node.verdict == Verdict::Up && node.for_guests && is_direct && node.maintenance.is_none()
    })
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

/// Responds with the text `name` that `make` makes of the newest snapshot.
async fn respond_text(
    board: &Board,
    name: String,
    request: &HeaderMap,
    make: impl FnOnce(&Snapshot) -> String,
) -> Result<Response, Refusal> {
    let snapshot = board.newest().await?;
    let key = Key { name, variant: "text", vary: "origin", media_type: TEXT };
    board.respond(&snapshot, &key, request, || Ok(make(&snapshot).into()))
}
