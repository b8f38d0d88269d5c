//! `POST /results`: results of checks.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use easytier_probe::{CheckResult, FailureCode, ListingVersion, Relay, Status};
use easytier_uptime_monitor::{
    Metrics, Refusal,
    envelope::{Answer, BackendEnvelope, BackendRefusal},
    input::{self, Object},
};
use easytier_uptime_store::{
    Store,
    domain::{Batch, PeerId, Receipt, Rejection, Timestamp},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    relay_tests::relay_tests,
    version::{named_version, refuse_if_behind},
};
use crate::web::{ProbeCaller, Reception};

const MAX_RESULTS: usize = 5000;

/// The maximum length of a `detail`, in characters.
const MAX_DETAIL: usize = 200;

/// The body of the request, with results of type `T`.
#[derive(Debug, Deserialize)]
struct Sent<T> {
    /// An id of the caller's choice, for the log.
    cycle_id: Option<Uuid>,
    sent_at: Option<Timestamp>,
    /// The listing that the batch was made under.
    #[serde(default, deserialize_with = "input::whole_number")]
    epoch: Option<i64>,
    #[serde(default, deserialize_with = "input::whole_number")]
    config_version: Option<i64>,
    /// Whether the probe tests nodes that it is asked to test.
    tests_relay: Option<bool>,
    results: Vec<T>,
}

impl<T> Sent<T> {
    /// The results, and everything else.
    fn take(self) -> (Sent<CheckResult>, Vec<T>) {
        let Self { cycle_id, sent_at, epoch, config_version, tests_relay, results } = self;
        (Sent { cycle_id, sent_at, epoch, config_version, tests_relay, results: Vec::new() }, results)
    }
}

/// The outcome of a batch. Every result that is not rejected is durably stored.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Taken)]
pub(super) struct BatchOutcome {
    accepted: usize,
    /// Results that were stored before.
    duplicates: usize,
    /// The rejected results, in the order of their indexes.
    rejected: Vec<Refused>,
    /// Nodes of the batch that the probe is asked to test next: whether they relay. Only for probes that say `tests_relay`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<i64>, required = false)]
    test_relay: Vec<PeerId>,
}

/// A result that is not accepted. Sending it again gives the same outcome.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    /// Its index in the batch, from 0.
    index: usize,
    #[schema(value_type = String, example = "unknown_peer")]
    reason: Rejection,
    /// Why it is `invalid`, if the reason is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Results of checks, at most 5,000 and 4 MiB.
///
/// The response is sent when they are durably stored. A batch may be sent again at any time without effect. A single
/// result that is not valid is `rejected` and does not delay the others.
#[utoipa::path(
    post,
    path = "/results",
    tag = "backend",
    operation_id = "post_results",
    request_body = super::schema::Results,
    security(("node_token" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The outcome of the batch", body = BackendEnvelope<BatchOutcome>),
        (status = 400, description = "The body is not a valid document", body = BackendRefusal),
        (status = 401, description = "The node token is wrong or missing", body = BackendRefusal),
        (status = 408, description = "The body took too long to arrive", body = BackendRefusal),
        (status = 413, description = "Too many results, or too long a body", body = BackendRefusal),
        (status = 503, description = "This instance does not hold the listing of the batch yet (header `x-uptime-behind: 1`)", body = BackendRefusal),
    ),
)]
pub(super) async fn post(
    State(store): State<Store>,
    State(metrics): State<Arc<Metrics>>,
    State(reception): State<Reception>,
    ProbeCaller(from): ProbeCaller,
    request: Request,
) -> Answer<BackendEnvelope<BatchOutcome>> {
    let received = reception.receive(from.probe, request).await?;
    let received_at = Timestamp::now();
    let ParsedBatch { mut sent, places, mut refused } = read(&received.body)?;
    let _turn = received.into_turn();

    let started = Instant::now();
    let cycle = sent.cycle_id;
    let listing = named_version(sent.epoch, sent.config_version);
    refuse_if_behind(&store, listing).await?;
    let made_under = listing.map(ListingVersion::from);
    sent.results.iter_mut().for_each(|result: &mut CheckResult| result.listing = made_under);
    let online = if sent.tests_relay == Some(true) { online(&sent.results) } else { Vec::new() };
    let batch = Batch { sent_at: sent.sent_at, ..Batch::of_probe(from, received_at, sent.results) };
    let receipt = store.ingest(batch).await?;
    metrics.ingested(&receipt, started.elapsed());
    refused.iter().for_each(|refused| metrics.rejected(refused.reason));

    let test_relay = hand_out(&store, online, &receipt, received_at).await;
    refused.extend(receipt.rejected.into_iter().map(|rejected| Refused {
        index: places.as_ref().map_or(rejected.index, |places| places[rejected.index]),
        reason: rejected.reason,
        detail: None,
    }));
    refused.sort_unstable_by_key(|refused| refused.index);
    let (accepted, duplicates, rejected) = (receipt.accepted, receipt.duplicates, refused.len());
    tracing::debug!(?cycle, accepted, duplicates, rejected, "took results");
    Ok(BackendEnvelope::of(BatchOutcome {
        accepted: receipt.accepted,
        duplicates: receipt.duplicates,
        rejected: refused,
        test_relay,
    }))
}

/// The peers that results find online, each with its index.
fn online(results: &[CheckResult]) -> Vec<(usize, PeerId)> {
    let is_online = |(_, result): &(usize, &CheckResult)| result.status == Status::Online;
    results.iter().enumerate().filter(is_online).map(|(index, result)| (index, PeerId(result.peer_id))).collect()
}

/// The nodes of a batch that its probe should test, of those whose results were taken.
async fn hand_out(store: &Store, online: Vec<(usize, PeerId)>, receipt: &Receipt, now: Timestamp) -> Vec<PeerId> {
    let is_rejected = |index: usize| receipt.rejected.binary_search_by_key(&index, |rejected| rejected.index).is_ok();
    let taken: Vec<PeerId> =
        online.into_iter().filter(|(index, _)| !is_rejected(*index)).map(|(_, peer)| peer).collect();
    relay_tests(store, &taken, now).await
}

/// A parsed body, and the results in it that could not be parsed.
struct ParsedBatch {
    sent: Sent<CheckResult>,
    /// The index of each result that could be parsed; `None` when all could.
    places: Option<Vec<usize>>,
    refused: Vec<Refused>,
}

fn read(body: &[u8]) -> Result<ParsedBatch, Refusal> {
    let text = input::text(body)?;
    // The fast path: nearly always every result is valid.
    if let Ok(Object(sent)) = serde_json::from_str::<Object<Sent<Object<_>>>>(text) {
        check_count(sent.results.len())?;
        let (sent, results) = sent.take();
        let results = results.into_iter().map(|Object(result)| result).collect();
        return Ok(ParsedBatch { sent: Sent { results, ..sent }, places: None, refused: Vec::new() });
    }
    let (sent, results) = input::parse::<Sent<Box<RawValue>>>(body)?.take();
    check_count(results.len())?;
    let (mut places, mut readable, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, raw) in results.into_iter().enumerate() {
        match read_one(&raw) {
            Ok(result) => {
                places.push(index);
                readable.push(result);
            }
            Err(detail) => refused.push(Refused { index, reason: Rejection::Invalid, detail: Some(detail) }),
        }
    }
    Ok(ParsedBatch { sent: Sent { results: readable, ..sent }, places: Some(places), refused })
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if count > MAX_RESULTS {
        let message = format!("results: a batch has at most {MAX_RESULTS} results; this one has {count}");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(())
}

/// One result, or why it is not valid. Enum values of newer probes are kept as text or dropped.
fn read_one(raw: &RawValue) -> Result<CheckResult, String> {
    let mut fields: Map<String, Value> = serde_json::from_str(raw.get()).map_err(|_| "not an object".to_owned())?;
    if fields.get("checks").is_some_and(Value::is_null) {
        fields.remove("checks");
    }
    if is_unknown::<FailureCode>(fields.get("error")) {
        let code = fields.remove("error").unwrap_or_default();
        let parts = [code.as_str(), fields.get("message").and_then(Value::as_str)];
        let message = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
        fields.insert("message".to_owned(), message.into());
    }
    if is_unknown::<Relay>(fields.get("relay")) {
        fields.remove("relay");
    }
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let what = match input::field_of(&error) {
            None => error.inner().to_string(),
            Some(field) => format!("{field}: {}", error.inner()),
        };
        what.chars().take(MAX_DETAIL).collect()
    })
}

/// Whether the value is a string that is not the name of a `T`.
fn is_unknown<T: DeserializeOwned>(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.is_string() && T::deserialize(value).is_err())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result() -> Value {
        json!({
            "id": "0190d2a4-7c1e-7b7e-9a55-2f3c8a6f1b21", "peer_id": 1, "checked_at": "2026-01-02T03:04:05.100Z",
            "status": "Online", "response_time": 12.41, "stage": "route", "more": [1],
        })
    }

    fn changed(field: &str, value: Value) -> Value {
        let mut result = result();
        result[field] = value;
        result
    }

    fn read_all(results: Vec<Value>) -> ParsedBatch {
        let body = json!({ "cycle_id": null, "sent_at": "2026-01-02T03:04:05.678Z", "results": results });
        read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_example_of_the_contract_is_read() {
        let example = json!({ "results": [result(), changed("relay", Value::Null)] }).to_string();
        let ParsedBatch { sent, places, refused } = read(example.as_bytes()).unwrap();
        assert_eq!((sent.results.len(), places, refused.len()), (2, None, 0));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_place_and_the_rest_is_taken() {
        let ParsedBatch { sent, places, refused } = read_all(vec![
            changed("status", "Meh".into()),
            result(),
            changed("peer_id", "x".into()),
            5.into(),
            result(),
        ]);
        assert_eq!((sent.results.len(), places), (2, Some(vec![1, 4])));
        assert!(sent.sent_at.is_some());
        let details: Vec<_> = refused.iter().map(|one| (one.index, one.detail.as_deref().unwrap_or(""))).collect();
        assert_eq!(details.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2, 3]);
        assert!(details[0].1.starts_with("status: unknown variant"), "{details:?}");
        assert!(details[1].1.starts_with("peer_id: invalid type"), "{details:?}");
        assert_eq!(details[2].1, "not an object");
    }

    #[test]
    fn a_result_with_enum_values_of_a_newer_probe_is_accepted() {
        let mut blocked = changed("error", "quic_blocked".into());
        blocked["message"] = "no answer".into();
        let ParsedBatch { sent, refused, .. } = read_all(vec![
            blocked,
            changed("error", "quic_blocked".into()),
            changed("relay", "slow".into()),
            changed("checks", Value::Null),
        ]);
        assert!(refused.is_empty());
        let [blocked, silent, relayed, once] = &sent.results[..] else { panic!("{:?}", sent.results) };
        assert_eq!((blocked.error, blocked.message.as_deref()), (None, Some("quic_blocked: no answer")));
        assert_eq!(silent.message.as_deref(), Some("quic_blocked"));
        assert_eq!((relayed.relay, once.checks), (None, 1));
    }

    #[test]
    fn an_array_of_fields_is_no_result_and_no_batch() {
        let [id, at] = ["id", "checked_at"].map(|field| result()[field].clone());
        // All fields, in their order.
        let fields =
            json!([id, 1, at, 1, 1, "Online", 12.41, null, null, "route", null, null, null, null, null, null, null]);
        assert!(serde_json::from_value::<CheckResult>(fields.clone()).is_ok());
        let ParsedBatch { sent, refused, .. } = read_all(vec![result(), fields]);
        assert_eq!((sent.results.len(), refused.len(), refused[0].index), (1, 1, 1));
        assert_eq!(refused[0].detail.as_deref(), Some("not an object"));
        let batch = read(b"[null, null, null, []]").map(drop).unwrap_err();
        assert!(batch.message.contains("expected an object"), "{}", batch.message);
    }

    #[test]
    fn a_body_that_is_no_batch_is_refused_as_a_whole() {
        let status = |body: &[u8]| read(body).map(drop).unwrap_err().status;
        assert_eq!(status(b"{\"results\": ["), StatusCode::BAD_REQUEST);
        assert_eq!(status(b"{\"results\": [], \"more\": \"\xff\"}"), StatusCode::BAD_REQUEST);
        let wrong = read(b"{\"results\": [], \"sent_at\": \"yesterday\"}").map(drop).unwrap_err();
        assert!(wrong.message.starts_with("sent_at: "), "{}", wrong.message);
        let missing = read(b"{}").map(drop).unwrap_err();
        assert!(missing.message.contains("results"), "{}", missing.message);
    }

    #[test]
    fn too_many_results_are_refused_readable_or_not() {
        for one in [result(), json!(0)] {
            let body = json!({ "results": vec![one; MAX_RESULTS + 1] }).to_string();
            assert_eq!(read(body.as_bytes()).map(drop).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
}
