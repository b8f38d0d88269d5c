//! `/v1/reverse`: orders to a probe, over a connection that the probe makes. Nobody needs to reach it.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    body::Body as ResponseBody,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use easytier_probe::CheckResult;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, BackendDone, BackendEnvelope, BackendRefusal},
    input::{Body, Path, Query},
};
use easytier_uptime_store::domain::{MessageKind, Order, ProbeId};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use serde_json::{json, value::RawValue};
use tokio::time::{Instant, sleep_until, timeout};
use utoipa::{IntoParams, ToSchema};

use crate::{
    listed_peer::ListedPeer,
    manager::{configuration::Renderer, statistics::Statistic},
    service::{Channel, Orders, Waiting},
    web::{Closing, ProbeCaller},
};

/// How long a probe waits for an order before it asks again.
const WAIT: Duration = Duration::from_secs(55);

/// The time between two blanks that show that the connection works. They may precede a JSON document.
const BLANK_INTERVAL: Duration = Duration::from_secs(10);

/// How much of the reason for refusing a configuration is kept, in characters.
const MAX_ERROR: usize = 1000;

/// With the value `no`, nginx does not buffer the response.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Which orders a probe has already.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// The number of the last order that the probe got; 0 for none.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(minimum = 0, required = false)]
    since: Option<i64>,
}

/// The orders.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Messages {
    messages: Vec<Message>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
struct Message {
    /// Its number; those of a probe grow.
    number: i64,
    /// What to do. `check`: check the peer once, now. `config`: take the configuration, as by `POST /v1/configs` of a probe. `stats`: tell
    /// the statistics, as by `GET /v1/stats` of a probe.
    #[schema(example = "check")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<ListedPeer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    config: Option<Box<RawValue>>,
}

/// The answer to an order: one of `result`, `status` and `stats`, by its kind.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct OrderAnswer {
    /// What a check found.
    #[schema(value_type = Option<super::schema::CheckResult>)]
    result: Option<CheckResult>,
    /// The status with which the probe would answer to the configuration: 200, or 409 with an `error`.
    #[schema(minimum = 100, maximum = 599)]
    status: Option<u16>,
    /// Why the configuration is refused.
    #[schema(max_length = 1000)]
    error: Option<String>,
    /// The statistics.
    stats: Option<Vec<Statistic>>,
}

/// Orders to the calling probe. The answer begins at once and ends when there is an order, or after a minute; meanwhile it has a blank
/// every ten seconds. Another request of the probe ends the one before.
#[utoipa::path(
    get, path = "/v1/reverse", tag = "backend", operation_id = "await_orders",
    params(Since),
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The orders, perhaps none", body = BackendEnvelope<Messages>),
        (status = 400, description = "The parameter is wrong", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
    ),
)]
pub(super) async fn wait(
    State(orders): State<Orders>,
    State(renderer): State<Renderer>,
    ProbeCaller(probe): ProbeCaller,
    Extension(closing): Extension<Closing>,
    Query(Since { since }): Query<Since>,
) -> Result<Response, Refusal> {
    let since = since.unwrap_or(0);
    if since < 0 {
        return Err(Refusal::bad_request("since: must not be negative"));
    }
    let channel = orders.channel(probe.probe, since).await?;
    let waiting = Pending { channel, renderer, closing, until: Instant::now() + WAIT };
    let body = ResponseBody::from_stream(stream::unfold(Some(waiting), Pending::next));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        // A compressor would hold the blanks back.
        (header::CONTENT_ENCODING, HeaderValue::from_static("identity")),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

/// The result of an order.
#[utoipa::path(
    post, path = "/v1/reverse/{message}", tag = "backend", operation_id = "answer_order",
    params(("message" = i64, Path, minimum = 1, description = "The number of the order")),
    request_body = OrderAnswer,
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Noted", body = BackendDone),
        (status = 400, description = "The body is not a valid document", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
        (status = 404, description = "The probe has no such order, or nobody waits for it any more", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 413, description = "The body is too long", body = BackendRefusal),
    ),
)]
pub(super) async fn answer(
    State(orders): State<Orders>,
    ProbeCaller(probe): ProbeCaller,
    Path(message): Path<i64>,
    Body(answer): Body<OrderAnswer>,
) -> Answer<BackendEnvelope<()>> {
    match answer {
        OrderAnswer { result: Some(result), .. } => orders.answer(probe.probe, message, &result).await?,
        OrderAnswer { status: Some(status), error, .. } => {
            let error: String = error.unwrap_or_default().chars().take(MAX_ERROR).collect();
            orders.answer_message(probe.probe, message, &json!({ "status": status, "error": error })).await?;
        }
        OrderAnswer { stats: Some(stats), .. } => {
            orders.answer_message(probe.probe, message, &json!({ "stats": stats })).await?;
        }
        _ => return Err(Refusal::bad_request("the answer has no result, no status and no stats")),
    }
    Ok(BackendEnvelope::done())
}

/// An answer that is being written.
struct Pending {
    channel: Channel,
    renderer: Renderer,
    closing: Closing,
    until: Instant,
}

impl Pending {
    /// A blank, or the document and the end.
    async fn next(waiting: Option<Self>) -> Option<(Result<Bytes, Infallible>, Option<Self>)> {
        let mut waiting = waiting?;
        let (until, Self { channel, closing, .. }) = (waiting.until, &mut waiting);
        let next = async {
            tokio::select! {
                next = channel.next() => next.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the orders to a probe cannot be read");
                    Waiting::default()
                }),
                () = closing.begun() => Waiting::default(),
                () = sleep_until(until) => Waiting::default(),
            }
        };
        match timeout(BLANK_INTERVAL, next).await {
            Ok(next) => Some((Ok(document(next, channel.probe(), &waiting.renderer).await), None)),
            Err(_) => Some((Ok(Bytes::from_static(b"\n")), Some(waiting))),
        }
    }
}

async fn document(Waiting { orders, messages }: Waiting, probe: ProbeId, renderer: &Renderer) -> Bytes {
    let check = |Order { number, peer }| Message { number, kind: "check", peer: Some(peer.into()), config: None };
    let mut all: Vec<Message> = orders.into_iter().map(check).collect();
    for (number, kind) in messages {
        let config = match kind {
            MessageKind::Stats => None,
            MessageKind::Config => match renderer.configuration(probe).await {
                Ok(config) => Some(config),
                Err(error) => {
                    tracing::warn!(%error, "the configuration of a probe cannot be read");
                    continue;
                }
            },
        };
        all.push(Message { number, kind: kind.as_str(), peer: None, config });
    }
    all.sort_by_key(|message| message.number);
    let messages = Messages { messages: all };
    serde_json::to_vec(&*BackendEnvelope::of(messages)).unwrap_or_default().into()
}
