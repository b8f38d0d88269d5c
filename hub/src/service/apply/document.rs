//! What there should be, as a document says it: the JSON of a file of `hub apply`, whose secrets are in place.

use easytier_probe::peer_list;
use easytier_uptime_alerts::ChannelKind;
use easytier_uptime_store::domain::NewPeer;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Wanted, WantedChannel};
use crate::{peer_file::imported, service::WindowFields};

/// The kinds of objects that a document may have.
pub const KINDS: [&str; 3] = ["peers", "channels", "maintenance"];

/// The fields of a peer. Lists of others may have more, but here a field that is not known is a mistake.
const PEER_FIELDS: [&str; 20] = [
    "url",
    "host",
    "port",
    "protocol",
    "name",
    "description",
    "access",
    "network_name",
    "network_secret",
    "check",
    "timeout_ms",
    "allow_relay",
    "max_connections",
    "tags",
    "regions",
    "qq_number",
    "wechat",
    "mail",
    "is_approved",
    "submitted",
];

/// The fields of a window.
const WINDOW_FIELDS: [&str; 11] =
    ["title", "title_zh", "all", "nodes", "tags", "regions", "start", "time_zone", "minutes", "rrule", "until"];

/// Every mistake in a document, each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Mistakes(pub Vec<String>);

impl Mistakes {
    fn one(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }
}

impl Wanted {
    /// Reads a document; nothing is removed that it does not name.
    ///
    /// # Errors
    ///
    /// When a part of it is not valid.
    pub fn read(mut document: Map<String, Value>) -> Result<Self, Mistakes> {
        if let Some(other) = document.keys().find(|key| !KINDS.contains(&key.as_str())) {
            return Err(Mistakes::one(format!("it has '{other}'; it may have {}", KINDS.join(", "))));
        }
        let mut objects = |kind| document.remove(kind).map(|list| objects_of(kind, list)).transpose();
        Ok(Self {
            peers: objects("peers")?.map(|list| all("peers", list, peer)).transpose()?,
            channels: objects("channels")?.map(|list| all("channels", list, channel)).transpose()?,
            windows: objects("maintenance")?.map(|list| all("maintenance", list, window)).transpose()?,
            prune: false,
        })
    }
}

fn objects_of(kind: &str, list: Value) -> Result<Vec<Map<String, Value>>, Mistakes> {
    let Value::Array(list) = list else { return Err(Mistakes::one(format!("'{kind}' is no list"))) };
    let object = |(number, item)| match item {
        Value::Object(object) => Ok(object),
        _ => Err(Mistakes::one(format!("{kind} {number} has no fields"))),
    };
    (1..).zip(list).map(object).collect()
}

/// All of them, or every mistake.
fn all<T>(
    kind: &str,
    list: Vec<Map<String, Value>>,
    read: impl Fn(Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>, Mistakes> {
    let (mut read_ones, mut mistakes) = (Vec::with_capacity(list.len()), Vec::new());
    for (number, object) in (1..).zip(list) {
        match read(object) {
            Ok(one) => read_ones.push(one),
            Err(mistake) => mistakes.push(format!("{kind} {number}: {mistake}")),
        }
    }
    if mistakes.is_empty() { Ok(read_ones) } else { Err(Mistakes(mistakes)) }
}

fn parsed<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())
}

fn peer(object: Map<String, Value>) -> Result<NewPeer, String> {
    only("a peer", &object, &PEER_FIELDS)?;
    let read = peer_list::parse(&json!([object]).to_string()).map_err(|problem| format!("it is {problem}"))?;
    let (_, peer) = imported(read).pop().ok_or("it is no peer")?;
    peer.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn window(object: Map<String, Value>) -> Result<WindowFields, String> {
    only("a window", &object, &WINDOW_FIELDS)?;
    parsed(object)
}

fn channel(mut object: Map<String, Value>) -> Result<WantedChannel, String> {
    let kind = object.get("kind").and_then(Value::as_str).and_then(ChannelKind::from_name);
    if let (Some(_), Some(Value::Object(settings))) = (kind, object.get_mut("settings")) {
        // A port is a number in the document, and a text among the settings.
        for value in settings.values_mut().filter(|value| value.is_number() || value.is_boolean()) {
            *value = value.to_string().into();
        }
    }
    parsed(object)
}

/// Refuses a field that is not known: it would be a mistake that nobody notices.
fn only(what: &str, object: &Map<String, Value>, fields: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(other) => Err(format!("{what} has no field '{other}'")),
        None => Ok(()),
    }
}
