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
    input::{Body, MAX_STRANGERS_BODY, Path, Query},
};
use easytier_uptime_store::domain::Order;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use tokio::time::{Instant, sleep_until, timeout};
use utoipa::{IntoParams, ToSchema};

use super::peers::Peer;
use crate::{
    service::{Channel, Orders},
    web::{Closing, ProbeCaller},
};

/// How long a probe waits for an order before it asks again.
const WAIT: Duration = Duration::from_secs(55);

/// The time between two blanks that show that the connection works. They may precede a JSON document.
const BLANK_INTERVAL: Duration = Duration::from_secs(5);

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
    /// What to do. `check`: check the peer once, now.
    #[schema(example = "check")]
    kind: &'static str,
    peer: Peer,
}

/// The answer to an order.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct OrderAnswer {
    #[schema(value_type = super::schema::CheckResult)]
    result: CheckResult,
}

/// Orders to the calling probe. The answer begins at once and ends when there is an order, or after a minute; meanwhile it has a blank
/// every five seconds. Another request of the probe ends the one before.
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
    ProbeCaller(probe): ProbeCaller,
    Extension(closing): Extension<Closing>,
    Query(Since { since }): Query<Since>,
) -> Result<Response, Refusal> {
    let since = since.unwrap_or(0);
    if since < 0 {
        return Err(Refusal::bad_request("since: must not be negative"));
    }
    let channel = orders.channel(probe.probe, since).await?;
    let waiting = Waiting { channel, closing, until: Instant::now() + WAIT };
    let body = ResponseBody::from_stream(stream::unfold(Some(waiting), Waiting::next));
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
    Body(OrderAnswer { result }): Body<OrderAnswer, MAX_STRANGERS_BODY>,
) -> Answer<BackendEnvelope<()>> {
    orders.answer(probe.probe, message, &result).await?;
    Ok(BackendEnvelope::done())
}

/// An answer that is being written.
struct Waiting {
    channel: Channel,
    closing: Closing,
    until: Instant,
}

impl Waiting {
    /// A blank, or the document and the end.
    async fn next(waiting: Option<Self>) -> Option<(Result<Bytes, Infallible>, Option<Self>)> {
        let mut waiting = waiting?;
        let (until, Self { channel, closing, .. }) = (waiting.until, &mut waiting);
        let orders = async {
            tokio::select! {
                orders = channel.orders() => orders.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the orders to a probe cannot be read");
                    Vec::new()
                }),
                () = closing.begun() => Vec::new(),
                () = sleep_until(until) => Vec::new(),
            }
        };
        match timeout(BLANK_INTERVAL, orders).await {
            Ok(orders) => Some((Ok(document(orders)), None)),
            Err(_) => Some((Ok(Bytes::from_static(b"\n")), Some(waiting))),
        }
    }
}

fn document(orders: Vec<Order>) -> Bytes {
    let message = |order: Order| Message { number: order.number, kind: "check", peer: order.peer.into() };
    let messages = Messages { messages: orders.into_iter().map(message).collect() };
    serde_json::to_vec(&*BackendEnvelope::of(messages)).unwrap_or_default().into()
}
