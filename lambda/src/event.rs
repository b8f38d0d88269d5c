//! The event of an invocation: what to check.

use easytier_probe::{
    Origin, Peer,
    peer_list::{self, UnknownSchemes},
};
use serde::Deserialize;
use serde_json::Value;

/// A valid event. `{}`, which a schedule sends, asks for everything that is due.
#[derive(Debug, Default)]
pub struct Event {
    /// A region to use in place of the configured one. A node token is valid for a single region.
    pub region: Option<String>,
    /// The maximum number of peers that this invocation checks.
    pub count: Option<u32>,
    /// Whether to claim the peers that are due. If not, the whole listing is checked.
    pub claim: bool,
    /// Check these peers, without a backend.
    pub peers: Option<Vec<Peer>>,
}

/// Why an event is refused.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("the event is not a JSON object; send {{}} to check what is due, or {{\"peers\": [\"tcp://…\"]}}")]
    NotAnObject,
    #[error("the event's {0}")]
    Field(String),
    #[error("the event's peers:\n{0}")]
    Peers(String),
}

/// The fields of an event, before validation.
#[derive(Deserialize)]
struct Fields {
    region: Option<String>,
    count: Option<u32>,
    claim: Option<bool>,
    peers: Option<Value>,
}

impl Event {
    /// Validates an event. The fields of EventBridge's own events are ignored: their `region` is one of AWS.
    pub fn read(event: Value) -> Result<Self, EventError> {
        const FIELD_OF_EVENTBRIDGE: &str = "detail-type";
        let fields = match event {
            Value::Null => serde_json::Map::new(),
            Value::Object(fields) if fields.contains_key(FIELD_OF_EVENTBRIDGE) => serde_json::Map::new(),
            Value::Object(fields) => fields,
            _ => return Err(EventError::NotAnObject),
        };
        // Each field on its own first, so that the error names the field.
        for (name, value) in &fields {
            let alone = Value::from_iter([(name.clone(), value.clone())]);
            serde_json::from_value::<Fields>(alone)
                .map_err(|error| EventError::Field(format!("{name}: {}", error.to_string().trim_end_matches('.'))))?;
        }
        let fields: Fields =
            serde_json::from_value(Value::Object(fields)).map_err(|error| EventError::Field(error.to_string()))?;
        if fields.count == Some(0) {
            return Err(EventError::Field("count: write at least 1".to_owned()));
        }
        Ok(Self {
            region: fields.region,
            count: fields.count,
            claim: fields.claim.unwrap_or(true),
            peers: fields.peers.map(|peers| parse_peers(&peers)).transpose()?,
        })
    }
}

/// Parses a list of peers in any form that a file of peers may have. The address policy applies to them,
/// because callers of the function have no other access to its machine.
fn parse_peers(list: &Value) -> Result<Vec<Peer>, EventError> {
    let entries =
        peer_list::parse(&list.to_string()).map_err(|problem| EventError::Peers(format!("the list is {problem}")))?;
    let (peers, refused) = peer_list::peers(entries, Origin::Remote, UnknownSchemes::Kept);
    match (peers.is_empty(), refused.is_empty()) {
        (_, false) => {
            let problems: Vec<String> = refused.iter().map(ToString::to_string).collect();
            Err(EventError::Peers(problems.join("\n")))
        }
        (true, true) => Err(EventError::Peers("the list is empty".to_owned())),
        (false, true) => Ok(peers),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_without_own_fields_asks_for_what_is_due() {
        let of_eventbridge = json!({"detail-type": "Scheduled Event", "region": "us-east-1", "id": "1"});
        for event in [json!({}), Value::Null, of_eventbridge, json!({"else": 1})] {
            let event = Event::read(event).unwrap();
            assert!(event.claim && event.peers.is_none() && event.region.is_none() && event.count.is_none());
        }
    }

    #[test]
    fn peers_are_urls_or_objects_and_count_as_remote() {
        let event = json!({"peers": ["tcp://192.0.2.1:11010", {"host": "192.0.2.2", "port": 11010}], "count": 5});
        let event = Event::read(event).unwrap();
        let peers = event.peers.unwrap();
        let urls: Vec<String> = peers.iter().map(|peer| peer.url.to_string()).collect();
        assert_eq!(urls, ["tcp://192.0.2.1:11010", "tcp://192.0.2.2:11010"]);
        assert!(peers.iter().all(|peer| peer.origin == Origin::Remote));
        assert_eq!(event.count, Some(5));
    }

    #[test]
    fn an_error_names_the_field() {
        for (event, word) in [
            (json!([]), "not a JSON object"),
            (json!("x"), "not a JSON object"),
            (json!({"count": "many"}), "count"),
            (json!({"count": 0}), "count"),
            (json!({"claim": 1}), "claim"),
            (json!({"peers": []}), "empty"),
            (json!({"peers": ["nonsense"]}), "nonsense"),
        ] {
            let error = Event::read(event.clone()).unwrap_err().to_string();
            assert!(error.contains(word), "{event}: {error}");
        }
    }
}
