//! `/api/checks`: checks that somebody asks for now.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use easytier_probe::CheckResult;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{PublicEnvelope, PublicRefusal},
    input::{Body, MAX_STRANGERS_BODY, Path},
};
use easytier_uptime_store::domain::{CheckRun, PeerId, RequestedCheck, RunOutcome, Timestamp};
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    service::{Asker, CheckWish, Checks},
    web::{App, CheckCaller, Client, Closing},
};

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "checks";

/// How often a stream looks for answers.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(request)).routes(routes!(follow))
}

/// The id of a requested check.
#[derive(Debug, Serialize, ToSchema)]
struct Requested {
    id: Uuid,
}

/// The id of a requested check in a path.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct CheckPath {
    /// The id that the request was answered with.
    id: Uuid,
}

/// A requested check, with the answers so far.
#[derive(Debug, Serialize, ToSchema)]
struct CheckItem {
    id: Uuid,
    /// Whether an answer may still come.
    is_running: bool,
    #[schema(value_type = Option<i64>)]
    peer_id: Option<PeerId>,
    /// What is checked.
    url: String,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// From each region or probe.
    results: Vec<RunItem>,
}

/// A requested check from one place.
#[derive(Debug, Serialize, ToSchema)]
struct RunItem {
    /// The region or `server_id` that was asked for.
    from: String,
    /// The region of the probe that was chosen.
    region: Option<String>,
    /// The probe that was chosen.
    server_id: Option<String>,
    #[schema(inline)]
    state: RunState,
    /// What the probe found, as in `POST /results`. With an API key it has codes and no texts.
    #[schema(value_type = Option<crate::api::backend::CheckResultDoc>)]
    result: Option<Box<CheckResult>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RunState {
    /// The probe may still answer.
    Waiting,
    Done,
    /// No probe is available there, or it did not answer in time.
    Unavailable,
}

/// Has probes check a node now. The answer has the id by which the results are read. No address is checked more than once in ten
/// seconds by request, whoever asks, and from wherever.
#[utoipa::path(
    post, path = "/api/checks", tag = TAG, operation_id = "request_check",
    request_body = CheckWish,
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = ACCEPTED, body = PublicEnvelope<Requested>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The key has no scope `checks`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, description = "There is no such node.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
    ),
)]
async fn request(
    CheckCaller(asker): CheckCaller,
    Client(address): Client,
    State(checks): State<Checks>,
    Body(wish): Body<CheckWish, MAX_STRANGERS_BODY>,
) -> Result<Response, Refusal> {
    let id = checks.request(&asker, address, &wish).await?;
    Ok((StatusCode::ACCEPTED, PublicEnvelope::of(Requested { id })).into_response())
}

/// A check that was requested within the last hour. With `Accept: text/event-stream` it is sent again with each answer, as the data of
/// an event `check`, until no further answer may come.
#[utoipa::path(
    get, path = "/api/checks/{id}", tag = TAG, operation_id = "requested_check",
    params(CheckPath),
    security(("bearer" = []), ("session_cookie" = []), ("api_key" = [])),
    responses(
        (status = OK, body = PublicEnvelope<CheckItem>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The key has no scope `checks`.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
async fn follow(
    CheckCaller(asker): CheckCaller,
    State(checks): State<Checks>,
    Extension(closing): Extension<Closing>,
    Path(CheckPath { id }): Path<CheckPath>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let check = checks.requested(id).await?;
    let wants_events =
        headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    if !wants_events {
        return Ok(PublicEnvelope::of(CheckItem::of(check, &asker)).into_response());
    }
    let follower = Follower { checks, asker, closing, sent: None, next: Some(check) };
    let events = Sse::new(stream::unfold(follower, Follower::next)).keep_alive(KeepAlive::default());
    Ok(events.into_response())
}

/// Who reads a check while it runs.
struct Follower {
    checks: Checks,
    asker: Asker,
    closing: Closing,
    /// What was sent last.
    sent: Option<RequestedCheck>,
    /// What is sent next, if it is known.
    next: Option<RequestedCheck>,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let check = match (self.next.take(), &self.sent) {
            (Some(first), _) => first,
            (None, Some(sent)) if sent.is_running() => self.changed().await?,
            (None, _) => return None,
        };
        let event = Event::default().event("check").json_data(CheckItem::of(check.clone(), &self.asker)).ok()?;
        self.sent = Some(check);
        Some((Ok(event), self))
    }

    /// The check when it is another one than was sent.
    async fn changed(&mut self) -> Option<RequestedCheck> {
        loop {
            tokio::select! {
                () = sleep(LOOK_INTERVAL) => {}
                () = self.closing.begun() => return None,
            }
            let check = self.checks.requested(self.sent.as_ref()?.id).await.ok()?;
            if Some(&check) != self.sent.as_ref() {
                return Some(check);
            }
        }
    }
}

impl CheckItem {
    fn of(check: RequestedCheck, asker: &Asker) -> Self {
        Self {
            id: check.id,
            is_running: check.is_running(),
            peer_id: check.peer,
            url: check.url,
            requested_at: check.requested_at,
            results: check.runs.into_iter().map(|run| RunItem::of(run, asker)).collect(),
        }
    }
}

impl RunItem {
    fn of(run: CheckRun, asker: &Asker) -> Self {
        let (server_id, region) = run.probe.map(|(server_id, region)| (server_id, region.into())).unzip();
        let (state, result) = match run.outcome {
            RunOutcome::Waiting => (RunState::Waiting, None),
            RunOutcome::Unavailable => (RunState::Unavailable, None),
            RunOutcome::Done(result) => (RunState::Done, Some(result)),
        };
        let result = result.map(|result| match asker {
            Asker::Admin => result,
            Asker::Key(_) => Box::new(without_texts(*result)),
        });
        Self { from: run.vantage, region, server_id, state, result }
    }
}

/// What strangers' servers answered must not come to light by a check.
fn without_texts(result: CheckResult) -> CheckResult {
    CheckResult { message: None, relay_error: None, hostname: None, ..result }
}
