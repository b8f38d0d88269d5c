//! The JSON documents of the backend contract, read leniently where backends differ.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use crate::{CheckResult, ListingVersion, Origin, Peer, Status, peer_list::ListedPeer};

/// The object around every response. All fields are optional: error bodies in the wild lack `code`, or have `error`
/// instead of `message`.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Parses `body`; `None` if it is not a JSON object.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The status in the body; some backends answer HTTP 200 to everything.
    pub(super) fn code(&self) -> Option<u16> {
        serde_json::from_str(self.code?.get()).ok()
    }

    /// The message for a person.
    pub(super) fn message(&self) -> Option<Cow<'a, str>> {
        [self.message, self.error].into_iter().flatten().find_map(|text| {
            let text: String = serde_json::from_str(text.get()).ok()?;
            (!text.is_empty()).then_some(text.into())
        })
    }

    /// The document inside; `None` if it is missing or does not parse as a `T`.
    pub(super) fn data<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.data?.get()).ok()
    }

    pub(super) fn has_data(&self) -> bool {
        self.data.is_some_and(|data| data.get() != "null")
    }
}

/// `data` of `GET /peers`.
#[derive(Deserialize)]
pub(super) struct PeersData<'a> {
    #[serde(borrow)]
    pub(super) peers: Vec<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) total_available: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) next_batch_available: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) next_cursor: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) config_version: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) epoch: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) lease_expires_at: Option<DateTime<Utc>>,
}

impl PeersData<'_> {
    /// The version of the listing. A hub that sends no epoch belongs to no cluster.
    pub(super) fn version(&self) -> Option<ListingVersion> {
        self.config_version.map(|version| ListingVersion { epoch: self.epoch.unwrap_or_default(), version })
    }
}

/// For fields that are not needed: a value that does not parse is treated as missing.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Parses one peer of a page. The error says why it cannot be watched, and holds no secret.
pub(super) fn parse_peer(raw: &RawValue) -> Result<Peer, String> {
    into_peer(parse_entry(raw)?)
}

/// Parses one entry of a list. The error names the field in which it violates the contract, and holds no secret.
pub(super) fn parse_entry(raw: &RawValue) -> Result<ListedPeer, String> {
    serde_json::from_str(raw.get()).map_err(|_| describe_violation(raw))
}

/// The peer of an entry. The error says why it cannot be watched.
pub(super) fn into_peer(listed: ListedPeer) -> Result<Peer, String> {
    let id = listed.id;
    listed.into_peer(Origin::Remote, None).map_err(|error| match id {
        Some(id) => format!("peer {id}: {error}"),
        None => error.to_string(),
    })
}

/// Names the field in which a peer violates the contract. The parser's own error would quote the value, which may be a
/// secret.
fn describe_violation(raw: &RawValue) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(raw.get()) else {
        return "not an object".to_owned();
    };
    let id = fields.get("id").and_then(Value::as_i64).map(|id| format!("peer {id}: ")).unwrap_or_default();
    let only = |name: &str, value: &Value| Value::from_iter([(name.to_owned(), value.clone())]);
    match fields.iter().find(|(name, value)| serde_json::from_value::<ListedPeer>(only(name, value)).is_err()) {
        Some((name, _)) => format!("{id}its '{name}' does not match the contract"),
        None => format!("{id}a field occurs twice"),
    }
}

/// The body of `POST /results`.
#[derive(Serialize)]
pub(super) struct ResultsBody<'a> {
    pub(super) cycle_id: Uuid,
    /// When this request was sent, by the probe's clock: the hub corrects the times of the results by it.
    #[serde(serialize_with = "as_utc_millis")]
    pub(super) sent_at: DateTime<Utc>,
    /// The listing that all checked peers were in, if a hub sent it.
    #[serde(flatten)]
    pub(super) listing: Option<ListingVersion>,
    /// Whether the probe does the tests that the answer asks for.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) tests_relay: bool,
    pub(super) results: &'a [CheckResult],
}

fn as_utc_millis<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `data` of `GET /v1/reverse`.
#[derive(Deserialize)]
pub(super) struct OrdersData<'a> {
    #[serde(borrow)]
    pub(super) messages: Vec<Message<'a>>,
}

/// A message of a hub to a probe.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    pub(super) number: i64,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(borrow, default)]
    pub(super) peer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) config: Option<&'a RawValue>,
}

/// `data` of the answer to `POST /results`.
#[derive(Default, Deserialize)]
pub(super) struct ResultsData {
    /// `None` from a backend that reports no count: it has accepted all results that it did not reject.
    #[serde(default)]
    pub(super) accepted: Option<u32>,
    #[serde(default)]
    pub(super) duplicates: u32,
    #[serde(default)]
    pub(super) rejected: Vec<RejectedEntry>,
    /// The nodes to test.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) test_relay: Option<Vec<i64>>,
}

#[derive(Deserialize)]
pub(super) struct RejectedEntry {
    pub(super) index: usize,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reason: Option<String>,
}

/// The body of `PUT /nodes/status`.
#[derive(Serialize)]
pub(super) struct StatusBody<'a> {
    pub(super) status: &'static str,
    pub(super) response_time: Option<u64>,
    pub(super) metadata: StatusMetadata<'a>,
}

#[derive(Serialize)]
pub(super) struct StatusMetadata<'a> {
    pub(super) version: &'static str,
    pub(super) total_monitored_nodes: u64,
    pub(super) healthy_nodes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_id: Option<&'a str>,
    /// In seconds.
    pub(super) check_interval: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) holds_sessions: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The body of `PUT /nodes/{id}/status`.
#[derive(Serialize)]
pub(super) struct NodeStatusBody {
    pub(super) status: Status,
    pub(super) response_time: Option<u64>,
}

/// Durations are whole milliseconds where the contract specifies nothing else.
pub(super) fn whole_millis(millis: Option<f64>) -> Option<u64> {
    millis.map(|millis| millis.round() as u64)
}
