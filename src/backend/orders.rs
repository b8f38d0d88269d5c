//! Orders of our hub to a probe, over a connection that the probe makes: `/v1/reverse`.

use std::{convert, time::Duration};

use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    client::{Backend, Reported, report_request},
    credentials::Bearer,
    documents::{Envelope, OrdersData, parse_peer},
    error::BackendError,
    http::{Request, Response},
};
use crate::{CheckResult, Peer};

/// The path of a hub's orders.
const PATH: &str = "/v1/reverse";

/// How long a hub may take for an answer: it waits up to a minute for an order, and sends a blank every few seconds meanwhile.
const LONGEST_POLL: Duration = Duration::from_secs(75);

/// What a hub asks a probe to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its number; those of a probe grow.
    pub number: i64,
    /// The peer to check once, now. Its timeout is the deadline.
    pub peer: Peer,
}

/// The answer to an [`Order`].
#[derive(Serialize)]
struct AnswerBody<'a> {
    result: &'a CheckResult,
}

impl Backend {
    /// Waits up to a minute for orders with numbers greater than `since`. None after a minute without one; `None` if the backend
    /// gives no orders, or was found not to less than [`missing_retry_after`](super::BackendConfig::missing_retry_after) ago.
    /// Orders that this version does not know are left out.
    ///
    /// # Errors
    /// Any [`BackendError`] but [`BackendError::NoSuchRoute`].
    pub async fn orders(&self, since: i64) -> Result<Option<Vec<Order>>, BackendError> {
        let request = Request {
            body: None,
            query: vec![("since", since.to_string())],
            ..report_request(Method::GET, PATH, &(), Bearer::NodeToken)?
        };
        // The time is shared among the base URLs.
        let urls = u32::try_from(self.config().base_urls.len()).unwrap_or(u32::MAX);
        let deadline = Instant::now() + LONGEST_POLL.saturating_mul(urls);
        let lacking = "it cannot have this probe check a node at once, and it is asked again later";
        let response =
            self.send_to_optional(|endpoint| &endpoint.orders, lacking, &request, deadline, convert::identity).await?;
        Ok(response.map(|response| read(&response)))
    }

    /// Sends the result of an order. [`Reported::Unsupported`] if nobody waits for it any more.
    ///
    /// # Errors
    /// As [`orders`](Self::orders).
    pub async fn answer_order(
        &self,
        number: i64,
        result: &CheckResult,
        deadline: Instant,
    ) -> Result<Reported, BackendError> {
        let path = format!("{PATH}/{number}");
        let request = report_request(Method::POST, &path, &AnswerBody { result }, Bearer::NodeToken)?;
        let mut retry = self.retry_loop(deadline);
        loop {
            match self.send_report(retry.endpoint(), &request, retry.attempt_deadline()).await {
                Ok(_) => {
                    retry.succeeded();
                    return Ok(Reported::Accepted);
                }
                Err(BackendError::NoSuchRoute { .. }) => return Ok(Reported::Unsupported),
                Err(error) => retry.failed(error).await?,
            }
        }
    }
}

/// The orders of an answer, without those that are unknown or unreadable.
fn read(response: &Response) -> Vec<Order> {
    let data = Envelope::parse(&response.body).and_then(|envelope| envelope.data::<OrdersData>());
    let messages = data.map(|data| data.messages).unwrap_or_default();
    let checks = messages.into_iter().filter(|message| message.kind == "check");
    let orders = checks.filter_map(|message| {
        let peer: &RawValue = message.peer?;
        match parse_peer(peer) {
            Ok(peer) => Some(Order { number: message.number, peer }),
            Err(reason) => {
                tracing::warn!("an order of the backend cannot be followed: {reason}");
                None
            }
        }
    });
    orders.collect()
}
