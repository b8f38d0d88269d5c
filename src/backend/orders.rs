//! Orders of our hub to a probe, over a connection that the probe makes: `/v1/reverse`.

use std::{convert, time::Duration};

use reqwest::Method;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    client::{Backend, Reported, report_request},
    credentials::Bearer,
    documents::{Envelope, Message, OrdersData, parse_peer},
    error::BackendError,
    http::{Request, Response},
};
use crate::{CheckResult, Peer, Secret};

/// The path of a hub's orders.
const PATH: &str = "/v1/reverse";

/// How long a hub may take for an answer: it waits up to a minute for an order, and sends a blank every few seconds meanwhile.
const LONGEST_POLL: Duration = Duration::from_secs(75);

/// The maximum length of the orders of one answer, in bytes: one may be a whole configuration.
const MAX_ORDERS: usize = 36 << 20;

/// What a hub asks a probe to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its number; those of a probe grow.
    pub number: i64,
    /// What to do.
    pub task: Task,
}

/// What an [`Order`] is about.
#[derive(Debug, Clone)]
pub enum Task {
    /// Check this peer once, now. Its timeout is the deadline.
    Check(Box<Peer>),
    /// Take this configuration, which is JSON as of `POST /v1/configs`. It may hold secrets.
    Configure(Secret),
    /// Say what `GET /v1/stats` says.
    CountUp,
}

/// The answer to an [`Order`].
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum OrderAnswer {
    /// To [`Task::Check`].
    Checked {
        /// What the check found.
        result: Box<CheckResult>,
    },
    /// To [`Task::Configure`].
    Configured {
        /// As `POST /v1/configs` answers.
        status: u16,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// To [`Task::CountUp`].
    Counted {
        /// The figures.
        stats: Vec<Statistic>,
    },
}

impl From<CheckResult> for OrderAnswer {
    fn from(result: CheckResult) -> Self {
        Self::Checked { result: result.into() }
    }
}

/// A figure of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statistic {
    /// Its name, such as `peer>>>7>>>checks>>>healthy`.
    pub name: String,
    /// Its value.
    pub value: u64,
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
            max_response: MAX_ORDERS,
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

    /// Sends the answer to an order. [`Reported::Unsupported`] if nobody waits for it any more.
    ///
    /// # Errors
    /// As [`orders`](Self::orders).
    pub async fn answer_order(
        &self,
        number: i64,
        answer: &OrderAnswer,
        deadline: Instant,
    ) -> Result<Reported, BackendError> {
        let path = format!("{PATH}/{number}");
        let request = report_request(Method::POST, &path, answer, Bearer::NodeToken)?;
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
    messages.into_iter().filter_map(order).collect()
}

fn order(message: Message<'_>) -> Option<Order> {
    let task = match message.kind.as_str() {
        "check" => match parse_peer(message.peer?) {
            Ok(peer) => Task::Check(peer.into()),
            Err(reason) => {
                tracing::warn!("an order of the backend cannot be followed: {reason}");
                return None;
            }
        },
        "config" => Task::Configure(message.config?.get().into()),
        "stats" => Task::CountUp,
        _ => return None,
    };
    Some(Order { number: message.number, task })
}
