//! Reports to a backend: results, in the style that it knows, and the probe's own status.

use std::time::Duration;

use chrono::Utc;
use futures::{StreamExt, stream};
use reqwest::Method;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Backend, BackendError, MAX_ANSWER, ReportStyle,
    base::{Base, Kind},
    credentials::Bearer,
    http::{Answer, Request, shown},
    wire::{Envelope, NodeStatusBody, ResultsBody, ResultsData, StatusBody, StatusMetadata},
};
use crate::{CheckResult, Status};

/// The most results of one request.
pub const MAX_BATCH: usize = 5000;

/// How many per-node reports are under way at a time.
pub const PER_NODE_AT_ONCE: usize = 16;

/// What a backend did with results that reached it. What did not is an error, and can be sent again at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Durably stored.
    pub accepted: u32,
    /// Stored before.
    pub duplicates: u32,
    /// Never to be taken.
    pub rejected: Vec<Rejected>,
    /// The backend has no use for them, by its report style or because its endpoint for them is missing. There is
    /// nothing to send again.
    pub not_wanted: u32,
}

/// A result that the backend never takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The position in what was sent.
    pub index: usize,
    pub reason: String,
}

/// The probe's report about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatusReport {
    /// The median round trip to the peers found healthy in the last cycle, in milliseconds.
    pub response_time_ms: Option<f64>,
    pub total_monitored_nodes: u64,
    pub healthy_nodes: u64,
    pub server_id: Option<String>,
    /// The time between the checks of a peer; whole seconds, at least one.
    pub check_interval: Duration,
    /// The probe keeps a session open on every peer it watches, which the hub takes off a node's load.
    pub holds_sessions: bool,
}

/// What became of a status report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    Taken,
    /// The backend has no endpoint for it.
    NotWanted,
}

impl Backend {
    /// Whether the backend is told of every result. If not, its reports have no time and say how peers are now: each
    /// takes the place of the one before, and only the newest of each peer is of use.
    pub fn wants_every_result(&self) -> bool {
        self.shared.config.report_style != ReportStyle::PerNode
    }

    /// Delivers results, in the style of the backend: all of them, or none as far as the caller must care, because
    /// what is sent again is known to the backend by its id. More than [`MAX_BATCH`] are sent as several requests.
    pub async fn send_results(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Delivery, BackendError> {
        match self.shared.config.report_style {
            ReportStyle::Status => Ok(Delivery { not_wanted: results.len() as u32, ..Delivery::default() }),
            ReportStyle::PerNode => self.send_per_node(results, deadline).await,
            ReportStyle::Auto | ReportStyle::Results => self.send_batches(cycle_id, results, deadline).await,
        }
    }

    async fn send_batches(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Delivery, BackendError> {
        let mut delivery = Delivery::default();
        // Positions from and to; the last one is the next to send.
        let mut ranges: Vec<(usize, usize)> = (0..results.len())
            .step_by(MAX_BATCH)
            .map(|start| (start, results.len().min(start + MAX_BATCH)))
            .rev()
            .collect();
        while let Some((start, end)) = ranges.pop() {
            match self.send_batch(cycle_id, &results[start..end], deadline).await {
                Ok(None) => delivery.not_wanted += (end - start) as u32,
                Ok(Some(data)) => {
                    let others = data.duplicates + data.rejected.len() as u32;
                    let rest = ((end - start) as u32).saturating_sub(others);
                    delivery.accepted += data.accepted.unwrap_or(rest);
                    delivery.duplicates += data.duplicates;
                    let known = data.rejected.into_iter().filter(|entry| entry.index < end - start);
                    delivery.rejected.extend(known.map(|entry| Rejected {
                        index: start + entry.index,
                        reason:
                            self.shared.http.credentials.quoted(entry.reason.as_deref().unwrap_or("no reason told")),
                    }));
                }
                // Too large a body: with halves it may do, down to a single result that never will.
                Err(BackendError::Refused { status: 413, .. }) if end - start > 1 => {
                    let middle = start + (end - start) / 2;
                    ranges.extend([(middle, end), (start, middle)]);
                }
                Err(BackendError::Refused { status: 413, answer, .. }) => {
                    delivery.rejected.push(Rejected { index: start, reason: answer });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(delivery)
    }

    /// Delivers one batch by `POST /results`; `None` when the backend has no use for it.
    async fn send_batch(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Option<ResultsData>, BackendError> {
        let mut attempts = self.attempts(deadline);
        loop {
            match self.send_batch_to(attempts.base(), cycle_id, results, attempts.deadline()).await {
                Ok(data) => {
                    attempts.succeeded();
                    return Ok(data);
                }
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    async fn send_batch_to(
        &self,
        base: &Base,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Option<ResultsData>, BackendError> {
        let auto = self.shared.config.report_style == ReportStyle::Auto;
        let kind = if auto { self.kind_of(base, deadline).await? } else { base.kind() };
        if auto && kind == Kind::Foreign {
            return Ok(None);
        }
        let body = ResultsBody { cycle_id, sent_at: Utc::now(), results };
        let request = report_request(Method::POST, "/results", &body, Bearer::ApiKey);
        let nonsense =
            |reason: &str| BackendError::Nonsense { request: shown(base, &request), reason: reason.to_owned() };
        if auto && kind == Kind::Unknown {
            return Err(nonsense("not sent, because what answers there neither says that it is a hub nor lists peers"));
        }
        if base.results.is_missing(self.shared.config.ask_again_after) {
            let answer = "as it said before".to_owned();
            return Err(BackendError::Lacking { request: shown(base, &request), status: 404, answer });
        }
        let answer = match self.shared.http.send(base, &request, deadline).await {
            Ok(answer) => answer,
            Err(error) => {
                if let BackendError::Lacking { request, answer, .. } = &error {
                    base.results.missed(request, answer, "results are kept, and it is asked again later");
                }
                return Err(match error {
                    // Perhaps it is not the backend that refuses them; a limit to the length holds, whoever sets it.
                    BackendError::Refused { request, status, answer }
                        if base.kind() == Kind::Unknown && status != 413 =>
                    {
                        BackendError::Failed { request, status, answer, retry_after: None }
                    }
                    error => error,
                });
            }
        };
        let envelope = Envelope::read(&answer.body).ok_or_else(|| nonsense("the answer is no JSON object"))?;
        if kind == Kind::Hub && !answer.is_hub {
            return Err(nonsense("the answer is not the hub's"));
        }
        base.results.works();
        if !envelope.has_data() {
            // It took them, and doesn't count.
            return Ok(Some(ResultsData { accepted: None, duplicates: 0, rejected: Vec::new() }));
        }
        envelope.data().map(Some).ok_or_else(|| nonsense("the answer's 'data' is not what became of the results"))
    }

    /// Reports every result by a request of its own.
    async fn send_per_node(&self, results: &[CheckResult], deadline: Instant) -> Result<Delivery, BackendError> {
        let mut delivery = Delivery::default();
        let mut unknown_node = None;
        let mut outcomes = stream::iter(0..results.len())
            .map(|index| async move { (index, self.report_node(&results[index], deadline).await) })
            .buffer_unordered(PER_NODE_AT_ONCE);
        while let Some((index, outcome)) = outcomes.next().await {
            match outcome {
                Ok(Reported::Taken) => delivery.accepted += 1,
                Ok(Reported::NotWanted) => delivery.not_wanted += 1,
                Err((position, BackendError::Lacking { request, status: 404, answer })) => {
                    delivery.rejected.push(Rejected { index, reason: answer.clone() });
                    unknown_node = Some((position, request, answer));
                }
                Err((_, BackendError::Refused { status: 400..=499, answer, .. })) => {
                    delivery.rejected.push(Rejected { index, reason: answer });
                }
                Err((_, error)) => return Err(error),
            }
        }
        // One node may be unknown to the backend. When every one is, and ever was, it knows no such reports.
        if let Some((position, request, answer)) = unknown_node
            && delivery.accepted == 0
        {
            let endpoint = &self.shared.bases.get(position).per_node;
            if !endpoint.has_worked() {
                endpoint.missed(&request, &answer, PER_NODE_MISSING);
            }
        }
        Ok(delivery)
    }

    /// Reports one result by `PUT /nodes/{id}/status`; an error comes with the position of its base URL.
    async fn report_node(&self, result: &CheckResult, deadline: Instant) -> Result<Reported, (usize, BackendError)> {
        // There is no word for what is unknown, and it is no evidence.
        if result.status == Status::Unknown {
            return Ok(Reported::NotWanted);
        }
        let path = format!("/nodes/{}/status", result.peer_id);
        let body = NodeStatusBody { status: result.status, response_time: whole_millis(result.response_time) };
        let request = report_request(Method::PUT, &path, &body, Bearer::NodeToken);
        let mut attempts = self.attempts(deadline);
        loop {
            let (base, position) = (attempts.base(), attempts.position());
            if base.per_node.is_missing(self.shared.config.ask_again_after) {
                return Ok(Reported::NotWanted);
            }
            match self.send_report(base, &request, attempts.deadline()).await {
                Ok(_) => {
                    base.per_node.works();
                    attempts.succeeded();
                    return Ok(Reported::Taken);
                }
                Err(BackendError::Lacking { request, status: 405 | 501, answer }) => {
                    base.per_node.missed(&request, &answer, PER_NODE_MISSING);
                    return Ok(Reported::NotWanted);
                }
                Err(error) => attempts.failed(error).await.map_err(|error| (position, error))?,
            }
        }
    }

    /// Tells the backend that this probe works, and what it sees in all.
    pub async fn report_status(&self, report: &StatusReport, deadline: Instant) -> Result<Reported, BackendError> {
        let body = StatusBody {
            status: "Online",
            response_time: whole_millis(report.response_time_ms),
            metadata: StatusMetadata {
                version: env!("CARGO_PKG_VERSION"),
                total_monitored_nodes: report.total_monitored_nodes,
                healthy_nodes: report.healthy_nodes,
                region: self.shared.config.region.as_deref(),
                server_id: report.server_id.as_deref(),
                check_interval: report.check_interval.as_secs().max(1),
                holds_sessions: report.holds_sessions,
            },
        };
        let request = report_request(Method::PUT, "/nodes/status", &body, Bearer::ApiKey);
        let mut attempts = self.attempts(deadline);
        loop {
            let base = attempts.base();
            if base.status_report.is_missing(self.shared.config.ask_again_after) {
                return Ok(Reported::NotWanted);
            }
            let error = match self.send_report(base, &request, attempts.deadline()).await {
                Ok(_) => {
                    base.status_report.works();
                    attempts.succeeded();
                    return Ok(Reported::Taken);
                }
                Err(error) => error,
            };
            if let Some((answer, consequence)) = lacks_status_report(base, &error) {
                base.status_report.missed(&shown(base, &request), answer, consequence);
                return Ok(Reported::NotWanted);
            }
            attempts.failed(error.of_the_registry()).await?;
        }
    }

    /// A request whose answer, if it is a success, is a document or empty.
    pub(super) async fn send_report(
        &self,
        base: &Base,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, BackendError> {
        let answer = self.shared.http.send(base, request, deadline).await?;
        if answer.body.iter().all(u8::is_ascii_whitespace) || Envelope::read(&answer.body).is_some() {
            return Ok(answer);
        }
        let reason = "the answer is no JSON object".to_owned();
        Err(BackendError::Nonsense { request: shown(base, request), reason })
    }
}

const PER_NODE_MISSING: &str = "results are not reported there, and it is asked again later; REPORT_STYLE says how a \
                                backend wants its reports";

/// What the backend answered, and what comes of it, if the answer means that it has no `PUT /nodes/status`.
fn lacks_status_report<'e>(base: &Base, error: &'e BackendError) -> Option<(&'e str, &'static str)> {
    match error {
        BackendError::Lacking { answer, .. } => {
            Some((answer, "the probe does not report its own status, and it is asked again later"))
        }
        // Our hub means what it says; others answer so to whatever they don't know.
        BackendError::Unauthorized { answer, .. } if base.kind() != Kind::Hub && answer.starts_with("401") => Some((
            answer,
            "or it refused NODE_TOKEN: the probe does not report its own status, and it is asked again later",
        )),
        _ => None,
    }
}

pub(super) fn report_request<'a>(method: Method, path: &'a str, body: &impl Serialize, bearer: Bearer) -> Request<'a> {
    Request {
        method,
        path,
        query: Vec::new(),
        body: Some(serde_json::to_vec(body).expect("a document of texts and numbers can be written")),
        bearer,
        needs_token: true,
        max_answer: MAX_ANSWER,
    }
}

/// Durations on the wire are whole milliseconds where the contract says nothing else.
fn whole_millis(millis: Option<f64>) -> Option<u64> {
    millis.map(|millis| millis.round() as u64)
}
