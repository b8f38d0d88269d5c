//! `GET /api/reports/{month}`: what a month was like, as JSON and as a table.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use easytier_uptime_monitor::{
    Party, Refusal,
    envelope::{PublicEnvelope, PublicRefusal},
    input::{Path, Query},
    paging::{Paged, Paging},
    public::source::{self, JSON},
};
use easytier_uptime_store::domain::{Month, MonthFigures, Page, PeerId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::TAG;
use crate::{
    board::Key,
    service::{Group, Line, exact},
    web::{Client, MonthPath, Reports, Selection},
};

/// The figures of a month. Shares are in percent, and null without a verdict.
#[derive(Debug, Serialize, ToSchema)]
struct Figures {
    /// The share of the time with a verdict, outside maintenance, in which the node was up; `partial` counts half.
    #[schema(example = 99.8611)]
    availability: Option<f64>,
    /// The same with the time in maintenance.
    availability_with_maintenance: Option<f64>,
    /// Seconds outside maintenance in which more than half of the regions saw the node online.
    up_seconds: u64,
    /// … in which some regions saw it online, but no more than half.
    partial_seconds: u64,
    /// … in which no region saw it online.
    down_seconds: u64,
    /// Seconds in maintenance with a verdict, whatever the verdict.
    maintenance_seconds: u64,
    /// How many outages took place outside maintenance, wholly or in part: from the verdict `down` until the node is seen online.
    outages: u64,
    /// The longest of them, as far as it is in the month.
    longest_outage_seconds: u64,
    /// How long the outages that ended in the month took on average; null when none ended.
    mean_time_to_recover_seconds: Option<u64>,
}

impl From<MonthFigures> for Figures {
    fn from(MonthFigures { uptime, outages }: MonthFigures) -> Self {
        Self {
            availability: uptime.percentage().map(exact),
            availability_with_maintenance: uptime.percentage_with_maintenance().map(exact),
            up_seconds: uptime.counted.up.as_secs(),
            partial_seconds: uptime.counted.partial.as_secs(),
            down_seconds: uptime.counted.down.as_secs(),
            maintenance_seconds: uptime.maintenance.known().as_secs(),
            outages: outages.number,
            longest_outage_seconds: outages.longest.as_secs(),
            mean_time_to_recover_seconds: outages.mean_time_to_recover().map(|mean| mean.as_secs()),
        }
    }
}

/// The month of a node.
#[derive(Debug, Serialize, ToSchema)]
struct ReportedNode {
    #[schema(value_type = i64)]
    id: PeerId,
    name: String,
    tags: Vec<String>,
    /// Whether the availability reaches the target; null without one.
    target_met: Option<bool>,
    #[serde(flatten)]
    figures: Figures,
}

impl From<Line> for ReportedNode {
    fn from(Line { id, name, tags, figures, is_met }: Line) -> Self {
        Self { id, name, tags, target_met: is_met, figures: figures.into() }
    }
}

/// The month of several nodes: each counts by the time for which it had a verdict.
#[derive(Debug, Serialize, ToSchema)]
struct ReportedGroup {
    /// The tag that they have; null for all nodes of the report.
    tag: Option<String>,
    nodes: u64,
    /// How many of them reach the target.
    nodes_that_met_target: u64,
    /// How many had no verdict.
    nodes_without_verdict: u64,
    #[serde(flatten)]
    figures: Figures,
}

impl ReportedGroup {
    fn of(tag: Option<String>, Group { nodes, met, unknown, figures }: Group) -> Self {
        Self { tag, nodes, nodes_that_met_target: met, nodes_without_verdict: unknown, figures: figures.into() }
    }
}

/// The report of a month.
#[derive(Debug, Serialize, ToSchema)]
struct MonthReport {
    #[schema(value_type = String, example = "2026-11")]
    month: Month,
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
    /// The end of the month, or the time of the report while it goes on.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// The number of outages, the longest and the mean time to recover lack what was before; null when they are complete.
    #[schema(value_type = Option<String>, format = DateTime)]
    outages_complete_since: Option<Timestamp>,
    /// In percent.
    target: f64,
    total: ReportedGroup,
    /// By tag; a node with several tags counts in several.
    tags: Vec<ReportedGroup>,
    /// The least available first, those without a verdict last.
    nodes: Paged<ReportedNode>,
}

/// What a month was like: for how long the nodes were up, their outages, and whether they reached a target; for each node, for
/// each tag, and together. A month is one in UTC. Figures are up to a minute old, those of past months ten minutes.
#[utoipa::path(
    get, path = "/api/reports/{month}", tag = TAG, operation_id = "month_report",
    params(MonthPath, Selection, Paging),
    responses(
        (status = OK, body = PublicEnvelope<MonthReport>),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, description = "No node was there in this month, or it is to come.", body = PublicRefusal),
    ),
)]
pub(super) async fn report(
    State(reports): State<Reports>,
    Client(from): Client,
    Path(MonthPath { month }): Path<MonthPath>,
    Query(selection): Query<Selection>,
    Query(paging): Query<Paging>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let page = paging.request();
    let name = format!("/api/reports/{month} {selection:?} {page:?}");
    let key = Key { name, variant: "json", vary: "origin", media_type: JSON };
    let document = reports.respond((Party::of(from), month), key, &request, |reported| {
        let report = reported.report(&selection);
        let total = report.lines.len() as u64;
        let skipped = (page.page as usize - 1).saturating_mul(page.per_page as usize);
        let items = report.lines.into_iter().skip(skipped).take(page.per_page as usize).collect();
        let month_report = MonthReport {
            month,
            begins_at: month.begins_at(),
            until: report.until,
            outages_complete_since: report.outages_since,
            target: report.target.percent(),
            total: ReportedGroup::of(None, report.total),
            tags: report.tags.into_iter().map(|(tag, group)| ReportedGroup::of(Some(tag), group)).collect(),
            nodes: Paged::new(Page { items, total }, page, ReportedNode::from),
        };
        source::document(month_report)
    });
    document.await
}

/// The nodes of the report of a month as a CSV table, all of them. No cell begins a formula: one that would has a `'` before it.
#[utoipa::path(
    get, path = "/api/reports/{month}/nodes.csv", tag = TAG, operation_id = "month_report_table",
    params(MonthPath, Selection),
    responses(
        (status = OK, body = String, content_type = "text/csv; charset=utf-8"),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, description = "No node was there in this month, or it is to come.", body = PublicRefusal),
    ),
)]
pub(super) async fn table(
    State(reports): State<Reports>,
    Client(from): Client,
    Path(MonthPath { month }): Path<MonthPath>,
    Query(selection): Query<Selection>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let name = format!("/api/reports/{month}/nodes.csv {selection:?}");
    let key = Key { name, variant: "csv", vary: "origin", media_type: "text/csv; charset=utf-8" };
    let document = reports.respond((Party::of(from), month), key, &request, |reported| {
        reported.report(&selection).csv().map(Bytes::from).map_err(|error| {
            tracing::error!(%error, "the report of a month cannot be written");
            Refusal::internal()
        })
    });
    let mut response = document.await?;
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"uptime-{month}.csv\""));
    if let Ok(disposition) = disposition {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
