//! The dialect of NeoUptime: `GET /node-status` names the nodes, `GET /nodes/{id}/private-info` says how to reach each, and `POST
//! /nodes/{id}/heartbeat` takes a result.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::warn;

use super::{
    client::{Backend, peers_request},
    documents::{parse_peer, whole_millis},
    endpoint::Endpoint,
    error::BackendError,
    http::{Request, Response},
    listing::PeerPage,
};
use crate::{CheckResult, Peer, Status};

/// How many nodes are asked for at the same time.
const MAX_CONCURRENT: usize = 16;

/// The maximum number of nodes: each takes a request.
const MAX_NODES: usize = 5000;

/// An entry of `GET /node-status`.
#[derive(Deserialize)]
struct NodeStatus {
    node_id: i64,
}

/// The body of `POST /nodes/{id}/heartbeat`.
#[derive(Serialize)]
pub(super) struct HeartbeatBody {
    status: &'static str,
    /// How many networks use the node; 0 when that is not known.
    peer: u32,
    latency_ms: u64,
}

impl From<&CheckResult> for HeartbeatBody {
    fn from(result: &CheckResult) -> Self {
        Self {
            status: if result.status == Status::Online { "online" } else { "offline" },
            peer: result.network_count.unwrap_or_default(),
            latency_ms: whole_millis(result.response_time).unwrap_or_default(),
        }
    }
}

/// The answer to a heartbeat.
#[derive(Deserialize)]
struct HeartbeatAnswer {
    success: bool,
}

/// Whether the backend says that it did not take a heartbeat that it answered with success.
pub(super) fn is_refused(answer: &Response) -> bool {
    serde_json::from_slice::<HeartbeatAnswer>(&answer.body).is_ok_and(|answer| !answer.success)
}

/// What is known about one node.
enum Described {
    Watched(Box<Peer>),
    /// It cannot be watched, or there is no such node any more.
    Skipped(String),
}

impl Backend {
    /// All nodes, as one page.
    pub(super) async fn neo_page(&self, deadline: Instant) -> Result<PeerPage, BackendError> {
        let mut retry = self.retry_loop(deadline);
        loop {
            match self.neo_page_of(retry.endpoint(), retry.attempt_deadline()).await {
                Ok(page) => {
                    retry.succeeded();
                    return Ok(page);
                }
                Err(error) => retry.failed(error).await?,
            }
        }
    }

    async fn neo_page_of(&self, endpoint: &Endpoint, deadline: Instant) -> Result<PeerPage, BackendError> {
        let request = Request { path: "/node-status", ..peers_request(Vec::new(), false) };
        let response = self.http().send(endpoint, &request, deadline).await?;
        let statuses: Vec<NodeStatus> =
            serde_json::from_slice(&response.body).map_err(|_| BackendError::InvalidResponse {
                request: request.describe(endpoint),
                reason: "the answer is not a list of nodes with 'node_id'".to_owned(),
            })?;
        let mut seen = HashSet::new();
        let mut ids: Vec<i64> = statuses.iter().map(|status| status.node_id).filter(|id| seen.insert(*id)).collect();
        if ids.len() > MAX_NODES {
            warn!(listed = ids.len(), "the backend lists more than {MAX_NODES} nodes; the others are not watched");
            ids.truncate(MAX_NODES);
        }
        let described = stream::iter(ids.clone()).map(|id| self.describe(endpoint, id, deadline));
        let mut described = described.buffered(MAX_CONCURRENT);
        let (mut peers, mut skipped, mut first_problem) = (Vec::with_capacity(ids.len()), 0, None);
        while let Some(node) = described.next().await {
            match node? {
                Described::Watched(peer) => peers.push(*peer),
                Described::Skipped(problem) => {
                    skipped += 1;
                    first_problem.get_or_insert(problem);
                }
            }
        }
        if let Some(problem) = first_problem {
            warn!(
                skipped,
                "{}: nodes that cannot be watched are skipped; the first: {problem}",
                request.describe(endpoint)
            );
        }
        Ok(PeerPage {
            peers,
            skipped,
            next: None,
            total_available: Some(ids.len() as u64),
            version: None,
            complete_listing: false,
        })
    }

    async fn describe(&self, endpoint: &Endpoint, id: i64, deadline: Instant) -> Result<Described, BackendError> {
        let path = format!("/nodes/{id}/private-info");
        let request = Request { path: &path, ..peers_request(Vec::new(), false) };
        let response = match self.http().send(endpoint, &request, deadline).await {
            Ok(response) => response,
            // It was removed meanwhile.
            Err(BackendError::NoSuchRoute { status: 404, answer, .. }) => {
                return Ok(Described::Skipped(format!("node {id}: {answer}")));
            }
            Err(error) => return Err(error),
        };
        let parsed = serde_json::from_slice::<&RawValue>(&response.body).map_err(|_| "not JSON".to_owned());
        Ok(match parsed.and_then(parse_peer) {
            // Results are reported by the id of the list, whatever the description says.
            Ok(peer) => Described::Watched(Box::new(Peer { id, ..peer })),
            Err(problem) => Described::Skipped(format!("node {id}: {problem}")),
        })
    }
}
