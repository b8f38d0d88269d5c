//! `/metrics/nodes`: every node and what each region sees of it, for Prometheus.

use std::{collections::BTreeSet, fmt, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequestParts, State},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use easytier_uptime_monitor::{
    OPEN_METRICS, Refusal, bears, envelope::PublicRefusal, input::Query, public::nodes::LABEL_PATTERN,
};
use easytier_uptime_store::domain::{Node, NodeFilter, Region, RegionStatus, RegionView, Tag, Verdict};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, text},
    metrics::{MetricType, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    board::{Board, Entry, Key, Snapshot},
    web::{App, MetricsReader, parameter},
};

/// The tag of the route in `/openapi.json`.
const TAG: &str = "operations";

/// How many nodes a scrape may have. In ten regions they are some 300,000 lines.
const MAX_NODES: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(node_metrics))
}

/// A caller that may read the metrics of nodes: the holder of `METRICS_TOKEN` or of an API key for it, or an insider.
#[derive(Debug)]
pub(super) struct Scraper;

impl FromRequestParts<App> for Scraper {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match app.options.metrics_token.as_ref().is_some_and(|token| bears(&parts.headers, token)) {
            true => Ok(Self),
            false => MetricsReader::from_request_parts(parts, app).await.map(|MetricsReader| Self),
        }
    }
}

/// Selects the nodes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Selection {
    /// Nodes with any of these tags; all nodes without one.
    #[serde(default)]
    #[param(schema_with = tags, required = false, style = Form, explode)]
    tags: Vec<String>,
}

fn tags() -> utoipa::openapi::Schema {
    parameter::several(parameter::string().max_length(Some(64)).pattern(Some(LABEL_PATTERN)))
}

/// Verdict, uptime, checks, latency, relaying and certificate of every node, and what each region sees, as OpenMetrics text. For the holder of
/// `METRICS_TOKEN`, an API key with the scope `read`, a node token or the admin: a scrape is large.
#[utoipa::path(
    get, path = "/metrics/nodes", tag = TAG, operation_id = "node_metrics",
    params(Selection),
    security(("bearer" = []), ("api_key" = []), ("node_token" = []), ("session_cookie" = [])),
    responses(
        (status = OK, description = "The metrics", body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, description = "More than 10,000 nodes are selected, or a tag is not valid", body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The token or key is for something else", body = PublicRefusal),
    ),
)]
async fn node_metrics(
    _: Scraper,
    State(board): State<Arc<Board>>,
    Query(Selection { tags }): Query<Selection>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let tags = tags.iter().filter(|tag| !tag.trim().is_empty()).map(|tag| tag.parse::<Tag>());
    let tags: BTreeSet<Tag> =
        tags.collect::<Result<_, _>>().map_err(|error| Refusal::bad_request(format!("tags: {error}")))?;
    let snapshot = board.newest().await?;
    let name = format!("/metrics/nodes {tags:?}");
    let key = Key { name, variant: "text", vary: "authorization, cookie", media_type: OPEN_METRICS };
    board.respond(&snapshot, &key, &request, || text_of(&snapshot, NodeFilter { tags, ..NodeFilter::default() }))
}

fn text_of(snapshot: &Arc<Snapshot>, filter: NodeFilter) -> Result<Bytes, Refusal> {
    if snapshot.filtered(&filter).take(MAX_NODES + 1).count() > MAX_NODES {
        return Err(Refusal::bad_request(format!("more than {MAX_NODES} nodes; choose some by their tags")));
    }
    let mut registry = Registry::with_prefix("easytier_uptime");
    registry.register_collector(Box::new(Nodes { snapshot: Arc::clone(snapshot), filter }));
    let mut written = String::new();
    text::encode(&mut written, &registry).map_err(|error| {
        tracing::error!(%error, "the metrics of nodes cannot be written");
        Refusal::internal()
    })?;
    Ok(written.into())
}

#[derive(Debug)]
struct Nodes {
    snapshot: Arc<Snapshot>,
    filter: NodeFilter,
}

/// The labels of a node.
type Labels<'a> = [(&'static str, &'a str); 2];

impl Nodes {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.snapshot.filtered(&self.filter)
    }

    /// Writes one gauge of every node for which `value` has one.
    fn gauge<N: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, unit): (&str, &str, Option<&Unit>),
        value: impl Fn(&Entry) -> Option<N>,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for entry in self.entries() {
            let Some(value) = value(entry) else { continue };
            let id = entry.node().id.to_string();
            let labels: Labels<'_> = [("node", &id), ("name", &entry.node().name)];
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn of_regions<N: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, unit): (&str, &str, Option<&Unit>),
        value: impl Fn(&RegionView) -> Option<N>,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for entry in self.entries() {
            let id = entry.node().id.to_string();
            for view in entry.regions() {
                let Some(value) = value(view) else { continue };
                let labels = regional(entry.node(), &id, &view.region);
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn certificates(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "node_region_certificate_expiry_timestamp";
        let help = "When the node's certificate expires, as the region saw it last; absent without one";
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for entry in self.entries() {
            let id = entry.node().id.to_string();
            for (region, expires_at) in entry.certificates() {
                let seconds = ConstGauge::new(expires_at.0 / 1000);
                seconds.encode(family.encode_family(&regional(entry.node(), &id, region))?)?;
            }
        }
        Ok(())
    }

    fn relays(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 for what tests found last, whether the node relays data between guests: ok, refused or failed; declared: \
                    whether its owner says so";
        let mut family = encoder.encode_descriptor("node_relay", help, None, MetricType::Gauge)?;
        for entry in self.entries() {
            let Some(found) = &entry.node().relay else { continue };
            let (id, declared) = (entry.node().id.to_string(), entry.node().allow_relay.to_string());
            let labels = [
                ("node", id.as_str()),
                ("name", entry.node().name.as_str()),
                ("verdict", found.verdict.name()),
                ("declared", declared.as_str()),
            ];
            ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn verdicts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 for the verdict of the regions: unknown, down, partial or up";
        let mut family = encoder.encode_descriptor("node_verdict", help, None, MetricType::Gauge)?;
        for entry in self.entries() {
            let id = entry.node().id.to_string();
            let verdict = entry.node().verdict.as_str();
            let labels = [("node", id.as_str()), ("name", entry.node().name.as_str()), ("verdict", verdict)];
            ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The labels of a node in one region.
fn regional<'a>(node: &'a Node, id: &'a str, region: &'a Region) -> [(&'static str, &'a str); 3] {
    [("node", id), ("name", &node.name), ("region", region.as_str())]
}

impl Collector for Nodes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let seconds = |microseconds: i64| microseconds as f64 / 1e6;
        self.verdicts(encoder)?;
        let up =
            ("node_up", "1 when the node is up or seen by some regions, 0 when it is down; absent while unknown", None);
        self.gauge(encoder, up, |entry| match entry.node().verdict {
            Verdict::Up | Verdict::Partial => Some(1_i64),
            Verdict::Down => Some(0),
            Verdict::Unknown => None,
        })?;
        let uptime = (
            "node_uptime",
            "Share of the last 24 hours in which the node was up; absent without a verdict",
            Some(&Unit::Ratios),
        );
        self.gauge(encoder, uptime, |entry| entry.uptime().map(|percent| percent / 100.0))?;
        let checks = ("node_checks", "Checks of the last 24 hours, from all regions", None);
        self.gauge(encoder, checks, |entry| {
            Some(entry.node().ring.iter().map(|slot| i64::from(slot.checks)).sum::<i64>())
        })?;
        let healthy = ("node_healthy_checks", "Those of them that found the node online", None);
        self.gauge(encoder, healthy, |entry| {
            Some(entry.node().ring.iter().map(|slot| i64::from(slot.healthy)).sum::<i64>())
        })?;
        let latency =
            ("node_latency", "Median round trip over the regions that see the node online", Some(&Unit::Seconds));
        self.gauge(encoder, latency, |entry| entry.node().response_us.map(seconds))?;
        let seen = (
            "node_region_up",
            "1 when the region sees the node online, 0 when offline; absent without a fresh result",
            None,
        );
        self.of_regions(encoder, seen, |view| view.status.map(|status| i64::from(status == RegionStatus::Online)))?;
        let latency = ("node_region_latency", "Round trip from the region", Some(&Unit::Seconds));
        self.of_regions(encoder, latency, |view| view.response_us.map(seconds))?;
        self.relays(encoder)?;
        self.certificates(encoder)
    }
}
