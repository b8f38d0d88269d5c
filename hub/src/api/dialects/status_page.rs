//! `GET /api/status-page/{slug}` and `…/heartbeat/{slug}`: the pair of documents of an Uptime Kuma status page, which QtEasyTier and
//! several mods read.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::{
    Refusal,
    envelope::PublicRefusal,
    input::Path,
};
use easytier_uptime_store::domain::{Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{TAG, respond};
use crate::board::{Board, Entry, Snapshot};

/// The only status page.
const SLUG: &str = "easytier";

/// Which status page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PagePath {
    /// `easytier`, the only one.
    #[param(example = "easytier")]
    slug: String,
}

impl PagePath {
    fn check(&self) -> Result<(), Refusal> {
        if self.slug == SLUG { Ok(()) } else { Err(Refusal::not_found("status page")) }
    }
}

/// A status page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusPage {
    config: Config,
    #[serde(rename = "publicGroupList")]
    groups: [Group; 1],
}

#[derive(Debug, Serialize, ToSchema)]
struct Config {
    slug: &'static str,
    title: &'static str,
    published: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Group {
    id: u32,
    name: &'static str,
    weight: u32,
    #[serde(rename = "monitorList")]
    monitors: Vec<Monitor>,
}

/// A node as a monitor of Uptime Kuma.
#[derive(Debug, Serialize, ToSchema)]
struct Monitor {
    /// The node's id.
    id: i64,
    /// The address, and in full-width brackets the node's name: readers take the address from the front.
    #[schema(example = "tcp://node.example.net:11010（a node）")]
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl From<&Entry> for Monitor {
    fn from(entry: &Entry) -> Self {
        let node = entry.node();
        let address = node.url.full();
        let name = if node.url.is_written_as(&node.name) { address } else { format!("{address}（{}）", node.name) };
        Self { id: node.id.0, name, kind: "port" }
    }
}

impl StatusPage {
    fn of(snapshot: &Snapshot) -> Self {
        let monitors = snapshot.entries.iter().map(Monitor::from).collect();
        Self {
            config: Config { slug: SLUG, title: "EasyTier", published: true },
            groups: [Group { id: 1, name: "EasyTier", weight: 1, monitors }],
        }
    }
}

/// The newest state of each node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Heartbeats {
    /// By the node's id; one heartbeat, the newest, of each node that was checked.
    #[serde(rename = "heartbeatList")]
    beats: BTreeMap<i64, Vec<Beat>>,
    /// The share of the last 24 hours in which the node was online, from 0 to 1, by the node's id and `_24`.
    #[serde(rename = "uptimeList")]
    uptimes: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Beat {
    /// 0 offline, 1 online, 2 unknown, 3 in maintenance.
    status: u8,
    /// When it was checked, in UTC.
    #[schema(example = "2026-11-01 12:00:00.000")]
    time: String,
    msg: &'static str,
    /// Milliseconds.
    ping: Option<f64>,
}

impl Beat {
    fn of(entry: &Entry) -> Option<Self> {
        let node = entry.node();
        let status = match (node.verdict, &node.maintenance) {
            (_, Some(_)) => 3,
            (Verdict::Up | Verdict::Partial, None) => 1,
            (Verdict::Down, None) => 0,
            (Verdict::Unknown, None) => 2,
        };
        let time = kuma_time(node.last_check_at?);
        Some(Self { status, time, msg: "", ping: node.response_us.map(|micros| (micros as f64 / 1000.0).round()) })
    }
}

/// A time as Uptime Kuma writes it.
fn kuma_time(at: Timestamp) -> String {
    chrono::DateTime::<chrono::Utc>::from(at).format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

impl Heartbeats {
    fn of(snapshot: &Snapshot) -> Self {
        let id = |entry: &Entry| entry.node().id.0;
        let uptime = |entry: &Entry| Some((format!("{}_24", id(entry)), entry.uptime()? / 100.0));
        Self {
            beats: snapshot.entries.iter().filter_map(|entry| Some((id(entry), vec![Beat::of(entry)?]))).collect(),
            uptimes: snapshot.entries.iter().filter_map(uptime).collect(),
        }
    }
}

/// All nodes, as the status page of an Uptime Kuma lists its monitors.
#[utoipa::path(
    get, path = "/api/status-page/{slug}", tag = TAG, operation_id = "status_page",
    params(PagePath),
    responses(
        (status = OK, body = StatusPage),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn page(
    State(board): State<Arc<Board>>,
    Path(path): Path<PagePath>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    path.check()?;
    respond(&board, "/api/status-page", &request, StatusPage::of).await
}

/// The state of all nodes, as the status page of an Uptime Kuma tells it.
#[utoipa::path(
    get, path = "/api/status-page/heartbeat/{slug}", tag = TAG, operation_id = "status_page_heartbeats",
    params(PagePath),
    responses(
        (status = OK, body = Heartbeats),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn heartbeats(
    State(board): State<Arc<Board>>,
    Path(path): Path<PagePath>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    path.check()?;
    respond(&board, "/api/status-page/heartbeat", &request, Heartbeats::of).await
}
