//! `PUT /nodes/status`: the report of a probe about itself.

use std::time::Duration;

use axum::extract::State;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, BackendDone, BackendEnvelope, BackendRefusal},
    input::{self, Body},
};
use easytier_uptime_store::domain::{Region, StatusReport};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{server_id::ServerId, service::Registry, web::ProbeCaller};

/// A year, in seconds.
const MAX_CHECK_INTERVAL: u64 = 365 * 24 * 3600;

/// The maximum plausible median round trip, in milliseconds.
const MAX_RESPONSE_MS: f64 = 3_600_000.0;

/// A probe's report about itself.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Report {
    /// `Online`, or `Degraded` from a probe whose self-check found that it is cut off. Anything else is taken for `Online`.
    #[schema(example = "Online")]
    status: Option<String>,
    /// The median round trip to the peers found healthy in the last cycle, in milliseconds.
    #[schema(minimum = 0, maximum = 3_600_000)]
    response_time: Option<f64>,
    /// Further fields are allowed, and stored unchanged.
    #[schema(value_type = Option<Metadata>)]
    metadata: Option<Map<String, Value>>,
}

/// The metadata that the hub knows.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Metadata {
    version: Option<String>,
    /// The region of the token.
    #[schema(max_length = 64, pattern = r"^[^,\x00-\x1f\x7f-\x9f]*$")]
    region: Option<String>,
    server_id: Option<ServerId>,
    /// Seconds between the checks of a peer.
    #[serde(default, deserialize_with = "input::whole_number")]
    #[schema(minimum = 1, maximum = 31_536_000)]
    check_interval: Option<u64>,
    /// Whether the probe keeps a guest session open on every peer that it checks as a guest.
    holds_sessions: Option<bool>,
}

/// A probe's report about itself. It also shows that the probe runs.
#[utoipa::path(
    put,
    path = "/nodes/status",
    tag = "backend",
    operation_id = "put_status",
    request_body = Report,
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Stored", body = BackendDone),
        (status = 400, description = "The body is not a valid document", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
        (status = 403, description = "The node token is for another region", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 409, description = "The node token is for another server_id", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
    ),
)]
pub(super) async fn put(
    State(registry): State<Registry>,
    ProbeCaller(probe): ProbeCaller,
    Body(report): Body<Report>,
) -> Answer<BackendEnvelope<()>> {
    let (region, report) = parse(report)?;
    registry.report_status(&probe, region.as_ref(), &report).await?;
    Ok(BackendEnvelope::done())
}

/// The region that the report names, and the report.
fn parse(report: Report) -> Result<(Option<Region>, StatusReport), Refusal> {
    if report.response_time.is_some_and(|millis| !(0.0..=MAX_RESPONSE_MS).contains(&millis)) {
        return Err(Refusal::bad_request(format!("response_time: write milliseconds from 0 to {MAX_RESPONSE_MS}")));
    }
    let metadata = report.metadata.map(Value::Object);
    let known: Metadata = match &metadata {
        None => Metadata::default(),
        Some(metadata) => {
            input::check_size("metadata", metadata).and_then(|()| input::parse_at("metadata", metadata))?
        }
    };
    if known.check_interval.is_some_and(|seconds| !(1..=MAX_CHECK_INTERVAL).contains(&seconds)) {
        let message = format!("metadata.check_interval: write whole seconds from 1 to {MAX_CHECK_INTERVAL}");
        return Err(Refusal::bad_request(message));
    }
    let region = input::region("metadata.region", known.region.as_deref())?;
    let report = StatusReport {
        server_id: known.server_id.map(String::from),
        version: known.version,
        response_us: report.response_time.map(|millis| (millis * 1000.0).round() as i64),
        check_interval: known.check_interval.map(Duration::from_secs),
        holds_sessions: known.holds_sessions.unwrap_or(false),
        degraded: report.status.is_some_and(|status| status.eq_ignore_ascii_case("degraded")),
        metadata,
    };
    Ok((region, report))
}
