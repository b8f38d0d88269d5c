//! A check that anybody may ask for.

use std::{net::IpAddr, time::Duration};

use axum::{Json, extract::State};
use easytier_probe::{Access, CheckReport, Membership, Origin, Peer, peer::DEFAULT_NETWORK_NAME};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, schema::AllOfBuilder},
};

use super::{
    TAG,
    fields::{NodeFields, Said},
    item::HealthStatus,
    parameter::string,
};
use crate::{
    api::{
        App,
        client::Client,
        error::{Answer, PublicEnvelope, PublicRefusal, Refusal},
        input::{self, Body},
    },
    model::PeerSpec,
    time::Timestamp,
};

/// How long the check may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A node to check: what a submission takes, of which the host alone is needed.
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

/// What the check found; latencies in microseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// What was checked.
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
    /// Whether the node says that it takes strangers.
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

/// The peer as somebody at the other end of the Internet describes it.
fn remote(spec: PeerSpec) -> Peer {
    let network_name = spec.network_name.unwrap_or_else(|| DEFAULT_NETWORK_NAME.to_owned());
    Peer {
        id: 0,
        name: Some(spec.name),
        url: spec.url,
        access: match spec.network_secret {
            None => Access::Guest,
            Some(network_secret) => Access::Member(Membership { network_name, network_secret }),
        },
        mode: spec.mode,
        timeout: Some(TIMEOUT),
        allow_relay: spec.allow_relay,
        tags: Vec::new(),
        origin: Origin::Remote,
    }
}

/// Checks a node once, within 5 seconds, at public addresses only; nothing is stored. `success` says whether the node is
/// online, `error` why it is not, `data` what was found in any case.
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
    State(app): State<App>,
    Client(address): Client,
    Body(candidate): Body<Candidate>,
) -> Answer<PublicEnvelope<Outcome>> {
    let outcome = Outcome::from(check(&app, address, candidate).await?);
    let error = outcome.error.map(|code| match &outcome.message {
        Some(words) => format!("{code}: {words}"),
        None => code.to_owned(),
    });
    let success = outcome.status == HealthStatus::Healthy;
    Ok(Json(PublicEnvelope { success, data: Some(outcome), error, message: None }))
}

/// The same for the page: checks a node of these fields.
pub(crate) async fn try_out(app: &App, from: IpAddr, fields: &Value) -> Result<CheckReport, Refusal> {
    check(app, from, input::parse(fields.to_string())?).await
}

async fn check(app: &App, from: IpAddr, candidate: Candidate) -> Result<CheckReport, Refusal> {
    let spec = candidate.0.parse().and_then(Said::into_spec)?;
    app.limits.connection_tests.check(from)?;
    Ok(app.checker.check(&remote(spec)).await)
}
