//! `POST /api/test_connection`: a check that anybody may request.

use axum::extract::State;
use easytier_probe::CheckReport;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::{Body, MAX_STRANGERS_BODY},
    parameter::string,
    public::item::HealthStatus,
};
use easytier_uptime_store::domain::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, schema::AllOfBuilder},
};

use super::TAG;
use crate::{
    service::{ConnectionTests, NodeFields},
    web::Poster,
};

/// A node to check, with the fields of a submission; only the host is required.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Candidate(NodeFields);

impl ToSchema for Candidate {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NodeFields::name().into_owned(), NodeFields::schema()));
    }
}

impl PartialSchema for Candidate {
    fn schema() -> RefOr<Schema> {
        let needed = ObjectBuilder::new().property("host", string()).required("host");
        AllOfBuilder::new().item(Ref::from_schema_name(NodeFields::name())).item(needed).into()
    }
}

/// The result of the check; latencies in microseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// The URL that was checked.
    #[schema(example = "tcp://node.example.net:11010")]
    address: String,
    status: HealthStatus,
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    response_time: Option<i64>,
    min_response_time: Option<i64>,
    max_response_time: Option<i64>,
    /// The last stage of the check that was reached.
    #[schema(example = "route")]
    stage: &'static str,
    #[schema(example = "connect_refused")]
    error: Option<&'static str>,
    message: Option<String>,
    version: Option<String>,
    hostname: Option<String>,
    network_count: Option<u32>,
    /// Whether the node announces that it accepts other networks.
    is_public_server: Option<bool>,
}

impl From<CheckReport> for Outcome {
    fn from(report: CheckReport) -> Self {
        let CheckReport { result, url, is_public_server, .. } = report;
        let micros = |millis: Option<f64>| millis.map(|millis| (millis * 1000.0).round() as i64);
        Self {
            address: url.to_string(),
            status: result.status.into(),
            checked_at: result.checked_at.into(),
            response_time: micros(result.response_time),
            min_response_time: micros(result.min_ms),
            max_response_time: micros(result.max_ms),
            stage: result.stage.as_str(),
            error: result.error.map(|code| code.as_str()),
            message: result.message,
            version: result.version,
            hostname: result.hostname,
            network_count: result.network_count,
            is_public_server,
        }
    }
}

/// Checks a node once, within 5 seconds, at public addresses only; nothing is stored. `success` is true when the node is
/// online; otherwise `error` has the reason. `data` has the result in both cases.
#[utoipa::path(
    post, path = "/api/test_connection", tag = TAG, operation_id = "test_connection",
    request_body = Candidate,
    responses(
        (status = OK, body = PublicEnvelope<Outcome>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
    ),
)]
pub(super) async fn test(
    State(tests): State<ConnectionTests>,
    Poster(address): Poster,
    Body(Candidate(fields)): Body<Candidate, MAX_STRANGERS_BODY>,
) -> Answer<PublicEnvelope<Outcome>> {
    let outcome = Outcome::from(tests.run(address, fields).await?);
    let error = outcome.error.map(|code| match &outcome.message {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    });
    Ok(PublicEnvelope::outcome(outcome.status == HealthStatus::Healthy, outcome, error))
}
