//! `GET /api/status-page/{slug}` and `…/heartbeat/{slug}`: the pair of documents of an Uptime Kuma status page, which QtEasyTier and
//! several mods read.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::{Refusal, envelope::PublicRefusal, input::Path};
use easytier_uptime_store::domain::{Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{TAG, is_overseas, respond};
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
    /// Always null.
    #[schema(value_type = Option<String>)]
    incident: (),
    /// Nodes without a tag that says that they are elsewhere, and those with one.
    #[serde(rename = "publicGroupList")]
    groups: [Group; 2],
    /// Always empty.
    #[serde(rename = "maintenanceList")]
    #[schema(value_type = Vec<String>)]
    maintenance: [(); 0],
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
    /// The address, and in full-width brackets the node's name, with `禁中转` when its owner does not offer to relay: readers take it
    /// apart.
    #[schema(example = "tcp://node.example.net:11010（a node，禁中转）")]
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl From<&Entry> for Monitor {
    fn from(entry: &Entry) -> Self {
        let node = entry.node();
        let relay = if node.allow_relay { "" } else { "，禁中转" };
        let name = if node.url.is_written_as(&node.name) { node.url.host_text() } else { node.name.clone() };
        Self { id: node.id.0, name: format!("{}（{name}{relay}）", node.url.full()), kind: "port" }
    }
}

impl StatusPage {
    fn of(snapshot: &Snapshot) -> Self {
        let group = |id, name, overseas| {
            let entries =
                snapshot.entries.iter().filter(|entry| entry.node().for_guests && is_overseas(entry) == overseas);
            Group { id, name, weight: id, monitors: entries.map(Monitor::from).collect() }
        };
        Self {
            config: Config { slug: SLUG, title: "EasyTier", published: true },
            incident: (),
            // Readers leave out groups whose names do not say that they are public nodes.
            groups: [group(1, "社区公共节点", false), group(2, "社区公共节点[海外]", true)],
            maintenance: [],
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
    ping: Option<i64>,
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
        Some(Self { status, time, msg: "", ping: node.response_us.map(|micros| (micros + 500) / 1000) })
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
