//! `GET /announce.json`: the announcement of PCL-CE's lobby, with its relay nodes; `GET /cache.ini`: a number that changes with it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::Refusal;
use easytier_uptime_store::domain::{Announcement, Severity, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{TAG, respond, respond_text, usable};
use crate::board::{Board, Entry, Snapshot};

/// What PCL-CE reads.
#[derive(Debug, Hash, Serialize, ToSchema)]
pub(super) struct LobbyAnnouncement {
    /// The version of the format.
    version: u32,
    /// Whether there is a node that relays.
    available: bool,
    #[serde(rename = "requireRealname")]
    requires_real_name: bool,
    /// The newest announcement first; PCL-CE shows that one, and none when its text is empty.
    notices: Vec<Notice>,
    relays: Vec<Relay>,
}

#[derive(Debug, Hash, Serialize, ToSchema)]
struct Notice {
    /// `important`, `warning` or `info`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The Chinese text, or the English one when there is no other.
    content: String,
}

/// A node that is online, and whose owner offers to relay.
#[derive(Debug, Hash, Serialize, ToSchema)]
struct Relay {
    name: String,
    url: String,
    desc: String,
    /// `community`: older versions of PCL-CE distinguish these from nodes of the launcher's own.
    #[serde(rename = "type")]
    kind: &'static str,
}

impl From<&Announcement> for Notice {
    fn from(announcement: &Announcement) -> Self {
        let content = &announcement.content;
        let kind = match content.severity {
            Severity::Critical => "important",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let text = content.chinese.as_ref().or(content.english.as_ref());
        Self { kind, content: text.cloned().unwrap_or_default() }
    }
}

impl From<&Entry> for Relay {
    fn from(entry: &Entry) -> Self {
        let node = entry.node();
        Self { name: node.name.clone(), url: node.url.full(), desc: node.description.clone(), kind: "community" }
    }
}

impl LobbyAnnouncement {
    fn of(snapshot: &Snapshot) -> Self {
        let now = Timestamp::now();
        let relays: Vec<_> = usable(snapshot).filter(|entry| entry.node().allow_relay).map(Relay::from).collect();
        let current = snapshot.announcements.iter().filter(|one| one.is_current(now)).map(Notice::from);
        let mut notices: Vec<_> = current.collect();
        if notices.is_empty() {
            // PCL-CE reads the first one whether there is one or not.
            notices.push(Notice { kind: "info", content: String::new() });
        }
        Self { version: 1, available: !relays.is_empty(), requires_real_name: false, notices, relays }
    }
}

/// The operator's announcements and the nodes that offer to relay, as PCL-CE reads them.
#[utoipa::path(
    get, path = "/announce.json", tag = TAG, operation_id = "announcement_for_pcl_ce",
    responses(
        (status = OK, body = LobbyAnnouncement),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
    ),
)]
pub(super) async fn announce(State(board): State<Arc<Board>>, request: HeaderMap) -> Result<Response, Refusal> {
    respond(&board, "/announce.json", &request, LobbyAnnouncement::of).await
}

/// A number that changes whenever `/announce.json` does: PCL-CE reads that one only when this number is another.
#[utoipa::path(
    get, path = "/cache.ini", tag = TAG, operation_id = "announcement_version_for_pcl_ce",
    responses(
        (status = OK, body = String, content_type = "text/plain; charset=utf-8"),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
    ),
)]
pub(super) async fn version(State(board): State<Arc<Board>>, request: HeaderMap) -> Result<Response, Refusal> {
    respond_text(&board, "/cache.ini".to_owned(), &request, |snapshot| {
        let mut hasher = DefaultHasher::new();
        LobbyAnnouncement::of(snapshot).hash(&mut hasher);
        // PCL-CE keeps it as a positive 32-bit number.
        (hasher.finish() % i32::MAX as u64 + 1).to_string()
    })
    .await
}

/// `/announce.json` at the path where PCL-CE asks for it.
#[utoipa::path(
    get, path = "/api/link/announce.json", tag = TAG, operation_id = "announcement_where_pcl_ce_asks",
    responses(
        (status = OK, body = LobbyAnnouncement),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
    ),
)]
pub(super) async fn announce_there(board: State<Arc<Board>>, request: HeaderMap) -> Result<Response, Refusal> {
    announce(board, request).await
}

/// `/cache.ini` at the path where PCL-CE asks for it.
#[utoipa::path(
    get, path = "/api/link/cache.ini", tag = TAG, operation_id = "announcement_version_where_pcl_ce_asks",
    responses(
        (status = OK, body = String, content_type = "text/plain; charset=utf-8"),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
    ),
)]
pub(super) async fn version_there(board: State<Arc<Board>>, request: HeaderMap) -> Result<Response, Refusal> {
    version(board, request).await
}
