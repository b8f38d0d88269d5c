//! `GET /api/maintenance`: the windows that take place now or soon.

use std::sync::Arc;

use axum::extract::State;
use easytier_uptime_monitor::envelope::{Answer, PublicEnvelope};
use easytier_uptime_store::domain::{ActiveWindow, Timestamp, WindowId};
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use crate::board::{Board, Snapshot};

/// A maintenance window that takes place now or within the next 14 days.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Announced {
    #[schema(value_type = i64)]
    id: WindowId,
    /// What it is for, in the operator's words.
    title: String,
    /// The same in Chinese, if there is a text.
    title_zh: Option<String>,
    /// It takes place now.
    is_active: bool,
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
    /// It covers all nodes.
    all: bool,
    /// The ids of nodes that it covers.
    nodes: Vec<i64>,
    /// It covers the nodes with one of these tags.
    tags: Vec<String>,
    /// It covers the nodes that are checked from one of these regions and not from every region.
    regions: Vec<String>,
}

impl Announced {
    fn of(ActiveWindow { window, occurrence }: &ActiveWindow, snapshot: &Snapshot, now: Timestamp) -> Self {
        let (spec, coverage) = (&window.spec, &window.spec.coverage);
        Self {
            id: window.id,
            title: spec.title.clone(),
            title_zh: spec.title_zh.clone(),
            is_active: occurrence.contains(now),
            begins_at: occurrence.begins_at,
            ends_at: occurrence.ends_at,
            all: coverage.all,
            // Nobody learns of nodes that are not listed.
            nodes: coverage.peers.iter().filter(|id| snapshot.entry(**id).is_some()).map(|id| id.0).collect(),
            tags: coverage.tags.iter().map(ToString::to_string).collect(),
            regions: coverage.regions.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The maintenance windows that take place now or begin within 14 days, each with its present or next occurrence, by their
/// beginning.
#[utoipa::path(
    get, path = "/api/maintenance", tag = TAG, operation_id = "maintenance",
    responses((status = OK, body = PublicEnvelope<Vec<Announced>>)),
)]
pub(super) async fn list(State(board): State<Arc<Board>>) -> Answer<PublicEnvelope<Vec<Announced>>> {
    let (snapshot, now) = (board.newest().await?, Timestamp::now());
    let coming = snapshot.maintenance.iter().filter(|active| active.occurrence.ends_at > now);
    Ok(PublicEnvelope::of(coming.map(|active| Announced::of(active, &snapshot, now)).collect()))
}
