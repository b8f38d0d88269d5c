//! The documents of the contract as they are on the wire, read leniently where backends differ.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use crate::{CheckResult, Origin, Peer, Status, peer_list::ListedPeer};

/// What surrounds every answer. Nothing in it is certain: error bodies in the wild lack `code`, or have `error`.
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
    /// The envelope, if `body` is a JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The status that the body itself tells; some backends answer 200 to everything.
    pub(super) fn code(&self) -> Option<u16> {
        serde_json::from_str(self.code?.get()).ok()
    }

    /// What the backend has to say to a person.
    pub(super) fn said(&self) -> Option<Cow<'a, str>> {
        [self.message, self.error].into_iter().flatten().find_map(|text| {
            let text: String = serde_json::from_str(text.get()).ok()?;
            (!text.is_empty()).then_some(text.into())
        })
    }

    /// The document inside, if there is one and it can be read as a `T`.
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
    pub(super) lease_expires_at: Option<DateTime<Utc>>,
}

/// A field that one can do without: what cannot be read is as good as missing.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// One peer of a page, or why it cannot be watched; the words hold no secret.
pub(super) fn peer(raw: &RawValue) -> Result<Peer, String> {
    let listed: ListedPeer = serde_json::from_str(raw.get()).map_err(|_| shape_problem(raw))?;
    let id = listed.id;
    listed.into_peer(Origin::Remote, None).map_err(|error| match id {
        Some(id) => format!("peer {id}: {error}"),
        None => error.to_string(),
    })
}

/// In which field a peer is not of the contract's shape. The error of the parser would quote the value, which may be
/// a secret.
fn shape_problem(raw: &RawValue) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(raw.get()) else {
        return "not an object".to_owned();
    };
    let id = fields.get("id").and_then(Value::as_i64).map(|id| format!("peer {id}: ")).unwrap_or_default();
    let alone = |name: &str, value: &Value| Value::from_iter([(name.to_owned(), value.clone())]);
    match fields.iter().find(|(name, value)| serde_json::from_value::<ListedPeer>(alone(name, value)).is_err()) {
        Some((name, _)) => format!("{id}its '{name}' is not what the contract says"),
        None => format!("{id}a field is there twice"),
    }
}

/// The body of `POST /results`.
#[derive(Serialize)]
pub(super) struct ResultsBody<'a> {
    pub(super) cycle_id: Uuid,
    /// By our clock, when this very request was made: the hub corrects the results' times by it.
    #[serde(serialize_with = "millis_utc")]
    pub(super) sent_at: DateTime<Utc>,
    pub(super) results: &'a [CheckResult],
}

fn millis_utc<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `data` of the answer to `POST /results`.
#[derive(Deserialize)]
pub(super) struct ResultsData {
    /// `None` from a backend that does not count: it took the rest.
    #[serde(default)]
    pub(super) accepted: Option<u32>,
    #[serde(default)]
    pub(super) duplicates: u32,
    #[serde(default)]
    pub(super) rejected: Vec<RejectedEntry>,
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
