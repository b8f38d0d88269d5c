//! The results of checks, by `POST /results` in batches or by `PUT /nodes/{id}/status` one by one.

use std::collections::HashSet;

use chrono::Utc;
use futures::{StreamExt, stream};
use reqwest::Method;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    client::{Backend, Reported, report_request},
    config::ReportStyle,
    credentials::Bearer,
    documents::{Envelope, NodeStatusBody, ResultsBody, ResultsData, whole_millis},
    endpoint::{BackendKind, Endpoint},
    error::BackendError,
    http::Request,
    neo::{HeartbeatBody, is_refused},
};
use crate::{CheckResult, Status};

/// The maximum number of results in one request.
pub const MAX_BATCH: usize = 5000;

/// How many per-node reports are sent at the same time.
pub const MAX_CONCURRENT_NODE_REPORTS: usize = 16;

/// What the log says when `PUT /nodes/{id}/status` is missing.
const PER_NODE_MISSING: &str = "results are not reported there, and it is asked again later; REPORT_STYLE says how a \
                                backend wants its reports";

/// What a backend did with results that reached it. Results that did not reach it are an error, and may be sent again.
///
/// A delivery accounts for each result that was sent: `accepted`, `duplicates`, `rejected` and `not_wanted` add up to
/// their number. [`Backend::send_results`] returns no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How many results the backend has stored.
    pub accepted: u32,
    /// How many results the backend had stored before.
    pub duplicates: u32,
    /// The results that the backend will never take.
    pub rejected: Vec<Rejected>,
    /// How many results the backend has no use for, by its report style or because it does not have the route. They
    /// need not be sent again.
    pub not_wanted: u32,
    /// The peers of the batch that the probe should test next: whether they relay. None unless
    /// [`tests_relay`](super::BackendConfig::tests_relay) is set.
    pub test_relay: Vec<i64>,
}

/// A delivery that does not account for each result. Sending all of them again is safe, because the backend
/// deduplicates by result id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer accounts for {accounted} results, but {sent} were sent")]
pub struct IncompleteDelivery {
    accounted: u64,
    sent: usize,
}

impl Delivery {
    /// How many results the backend has, whether it stored them now or before.
    pub fn stored(&self) -> u64 {
        u64::from(self.accepted) + u64::from(self.duplicates)
    }

    /// Checks that the counts add up to the number of results that were `sent`, and that each rejected result is one of
    /// them, named once.
    ///
    /// # Errors
    /// [`IncompleteDelivery`] if not: results would be taken for delivered that the backend may not have.
    pub fn check(&self, sent: usize) -> Result<(), IncompleteDelivery> {
        let named: HashSet<usize> =
            self.rejected.iter().map(|rejected| rejected.index).filter(|index| *index < sent).collect();
        let accounted = self.stored() + u64::from(self.not_wanted) + named.len() as u64;
        match accounted == sent as u64 && named.len() == self.rejected.len() {
            true => Ok(()),
            false => Err(IncompleteDelivery { accounted, sent }),
        }
    }
}

/// A result that the backend will never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its position in the slice that was sent.
    pub index: usize,
    /// Why, in the words of the backend.
    pub reason: String,
}

impl Backend {
    /// Whether every result should be sent. If not, reports carry no time and replace each other: only the newest
    /// result of each peer is useful.
    pub fn wants_every_result(&self) -> bool {
        !self.config().report_style.is_per_node()
    }

    /// Delivers all results, in the [`ReportStyle`] of the backend, or fails as a whole. Retrying is safe: the backend
    /// deduplicates by result id. More than [`MAX_BATCH`] results, or results with several
    /// [`listing`](CheckResult::listing)s, are sent in several requests.
    ///
    /// # Errors
    /// The error of the first request that failed. If it [`is_final`](BackendError::is_final), sending the same
    /// results again is useless. [`BackendError::InvalidResponse`] if the answer does not account for each result.
    pub async fn send_results(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Delivery, BackendError> {
        match self.config().report_style {
            ReportStyle::Status => Ok(Delivery { not_wanted: results.len() as u32, ..Delivery::default() }),
            ReportStyle::PerNode | ReportStyle::Neo => self.send_per_node(results, deadline).await,
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
        // Ranges of positions; the last range is sent next. A batch has one version of the list of peers.
        let (mut ranges, mut start) = (Vec::<(usize, usize)>::new(), 0);
        for of_listing in results.chunk_by(|a, b| a.listing == b.listing) {
            for batch in of_listing.chunks(MAX_BATCH) {
                ranges.push((start, start + batch.len()));
                start += batch.len();
            }
        }
        ranges.reverse();
        while let Some((start, end)) = ranges.pop() {
            match self.send_batch(cycle_id, &results[start..end], deadline).await {
                Ok(batch) => {
                    // Each part is at most MAX_BATCH, because the batch was checked.
                    delivery.accepted += batch.accepted;
                    delivery.duplicates += batch.duplicates;
                    delivery.not_wanted += batch.not_wanted;
                    delivery.test_relay.extend(batch.test_relay);
                    let rejected = batch.rejected.into_iter();
                    delivery.rejected.extend(rejected.map(|one| Rejected { index: start + one.index, ..one }));
                }
                // The body is too large: send halves, down to a single result that is rejected.
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

    /// Delivers one batch by `POST /results`. The positions in the delivery are those of the batch.
    async fn send_batch(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Delivery, BackendError> {
        let mut retry = self.retry_loop(deadline);
        loop {
            match self.send_batch_to(retry.endpoint(), cycle_id, results, retry.attempt_deadline()).await {
                Ok(delivery) => {
                    retry.succeeded();
                    return Ok(delivery);
                }
                Err(error) => retry.failed(error).await?,
            }
        }
    }

    async fn send_batch_to(
        &self,
        endpoint: &Endpoint,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> Result<Delivery, BackendError> {
        let auto = self.config().report_style == ReportStyle::Auto;
        let kind = if auto { self.identify(endpoint, deadline).await? } else { endpoint.kind() };
        if auto && kind == BackendKind::ThirdParty {
            return Ok(Delivery { not_wanted: results.len() as u32, ..Delivery::default() });
        }
        #[expect(clippy::disallowed_methods, reason = "a request carries the time at which it is sent")]
        let sent_at = Utc::now();
        let listing = self.listing_to_name(results.first().and_then(|result| result.listing));
        let tests_relay = self.config().tests_relay;
        let body = ResultsBody { cycle_id, sent_at, listing, tests_relay, results };
        let request = Request { listing, ..report_request(Method::POST, "/results", &body, Bearer::ApiKey)? };
        let invalid = |reason: &str| BackendError::InvalidResponse {
            request: request.describe(endpoint),
            reason: reason.to_owned(),
        };
        if auto && kind == BackendKind::Unknown {
            return Err(invalid(
                "not sent, because the server there neither identifies itself as a hub nor lists peers",
            ));
        }
        if endpoint.results.is_missing() {
            let answer = "as before".to_owned();
            return Err(BackendError::NoSuchRoute { request: request.describe(endpoint), status: 404, answer });
        }
        let answer = match self.http().send(endpoint, &request, deadline).await {
            Ok(answer) => answer,
            Err(error) => {
                if let BackendError::NoSuchRoute { request, answer, .. } = &error {
                    endpoint.results.set_missing(request, answer, "results are kept, and it is asked again later");
                }
                return Err(match error {
                    // A reverse proxy may have refused them; only its limit to the size of a request is final.
                    BackendError::Refused { request, status, answer }
                        if endpoint.kind() == BackendKind::Unknown && status != 413 =>
                    {
                        BackendError::Failed { request, status, answer, retry_after: None }
                    }
                    error => error,
                });
            }
        };
        let envelope = Envelope::parse(&answer.body).ok_or_else(|| invalid("the answer is not a JSON object"))?;
        if kind == BackendKind::Hub && !answer.is_hub {
            return Err(invalid("the answer is not the hub's"));
        }
        let data = match envelope.has_data() {
            true => envelope.data().ok_or_else(|| invalid("the answer's 'data' does not report the outcome"))?,
            false => ResultsData::default(),
        };
        let delivery = self.delivery(data, results.len());
        delivery.check(results.len()).map_err(|incomplete| invalid(&incomplete.to_string()))?;
        endpoint.results.set_working();
        listing.into_iter().for_each(|listing| self.found_listing(listing));
        Ok(delivery)
    }

    /// The outcome of a batch of `sent` results. A backend that reports no `accepted` has accepted all results that it
    /// does not count otherwise.
    fn delivery(&self, data: ResultsData, sent: usize) -> Delivery {
        let others = u64::from(data.duplicates) + data.rejected.len() as u64;
        let rest = u32::try_from((sent as u64).saturating_sub(others)).unwrap_or(u32::MAX);
        let rejected = data.rejected.into_iter().map(|entry| Rejected {
            index: entry.index,
            reason: self.http().credentials.quote(entry.reason.as_deref().unwrap_or("no reason given")),
        });
        Delivery {
            accepted: data.accepted.unwrap_or(rest),
            duplicates: data.duplicates,
            rejected: rejected.collect(),
            not_wanted: 0,
            test_relay: data.test_relay.unwrap_or_default(),
        }
    }

    /// Reports every result in a request of its own.
    async fn send_per_node(&self, results: &[CheckResult], deadline: Instant) -> Result<Delivery, BackendError> {
        let mut delivery = Delivery::default();
        let mut unknown_node = None;
        let mut outcomes = stream::iter(0..results.len())
            .map(|index| async move { (index, self.report_node(&results[index], deadline).await) })
            .buffer_unordered(MAX_CONCURRENT_NODE_REPORTS);
        while let Some((index, outcome)) = outcomes.next().await {
            match outcome {
                Ok(Reported::Accepted) => delivery.accepted += 1,
                Ok(Reported::Unsupported) => delivery.not_wanted += 1,
                Err((position, BackendError::NoSuchRoute { request, status: 404, answer })) => {
                    delivery.rejected.push(Rejected { index, reason: answer.clone() });
                    unknown_node = Some((position, request, answer));
                }
                Err((_, BackendError::Refused { status: 200..=499, answer, .. })) => {
                    delivery.rejected.push(Rejected { index, reason: answer });
                }
                Err((_, error)) => return Err(error),
            }
        }
        // A single node may be unknown to the backend. If all are, and no report ever worked, the route is missing.
        if let Some((position, request, answer)) = unknown_node
            && delivery.accepted == 0
        {
            let route = &self.endpoint(position).per_node;
            if !route.has_worked() {
                route.set_missing(&request, &answer, PER_NODE_MISSING);
            }
        }
        Ok(delivery)
    }

    /// Reports one result by `PUT /nodes/{id}/status`, or as NeoUptime takes it. An error carries the position of its endpoint.
    async fn report_node(&self, result: &CheckResult, deadline: Instant) -> Result<Reported, (usize, BackendError)> {
        // The contract accepts only Online and Offline here, and Unknown is not evidence.
        if result.status == Status::Unknown {
            return Ok(Reported::Unsupported);
        }
        let is_neo = self.config().report_style == ReportStyle::Neo;
        let path = format!("/nodes/{}/{}", result.peer_id, if is_neo { "heartbeat" } else { "status" });
        let request = match is_neo {
            true => report_request(Method::POST, &path, &HeartbeatBody::from(result), Bearer::ApiKey)
                .map(|request| Request { needs_token: false, ..request }),
            false => {
                let body = NodeStatusBody { status: result.status, response_time: whole_millis(result.response_time) };
                report_request(Method::PUT, &path, &body, Bearer::NodeToken)
            }
        };
        let request = request.map_err(|error| (0, error))?;
        let mut retry = self.retry_loop(deadline);
        loop {
            let (endpoint, position) = (retry.endpoint(), retry.position());
            if endpoint.per_node.is_missing() {
                return Ok(Reported::Unsupported);
            }
            match self.send_report(endpoint, &request, retry.attempt_deadline()).await {
                Ok(answer) => {
                    endpoint.per_node.set_working();
                    retry.succeeded();
                    if is_neo && is_refused(&answer) {
                        let answer = "'success' is false".to_owned();
                        let refused =
                            BackendError::Refused { request: request.describe(endpoint), status: 200, answer };
                        return Err((position, refused));
                    }
                    return Ok(Reported::Accepted);
                }
                Err(BackendError::NoSuchRoute { request, status: 405 | 501, answer }) => {
                    endpoint.per_node.set_missing(&request, &answer, PER_NODE_MISSING);
                    return Ok(Reported::Unsupported);
                }
                Err(error) => retry.failed(error).await.map_err(|error| (position, error))?,
            }
        }
    }
}
