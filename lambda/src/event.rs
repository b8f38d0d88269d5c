//! What an invocation is asked to do.

use easytier_probe::{Origin, Peer, peer_list};
use serde::Deserialize;
use serde_json::Value;

/// What an invocation is asked to do; `{}`, as from a schedule, is all that is due.
#[derive(Debug, Default)]
pub struct Event {
    /// Another region than the configured one. A node token is for one alone.
    pub region: Option<String>,
    /// The most peers that this invocation checks.
    pub count: Option<u32>,
    /// Whether to take what is due, or, if not, to check the whole listing.
    pub claim: bool,
    /// Just these, and no backend.
    pub peers: Option<Vec<Peer>>,
}

/// Why an event cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("the event is no JSON object; send {{}} to check what is due, or {{\"peers\": [\"tcp://…\"]}}")]
    NotAnObject,
    #[error("the event's {0}")]
    Field(String),
    #[error("the event's peers:\n{0}")]
    Peers(String),
}

#[derive(Deserialize)]
struct Sent {
    region: Option<String>,
    count: Option<u32>,
    claim: Option<bool>,
    peers: Option<Value>,
}

impl Event {
    /// Reads an event. What EventBridge sends of its own accord has a `region` that is AWS's, and asks for nothing.
    pub fn read(event: Value) -> Result<Self, EventError> {
        const OF_EVENTBRIDGE: &str = "detail-type";
        let fields = match event {
            Value::Null => return Self::read(Value::Object(serde_json::Map::new())),
            Value::Object(fields) if fields.contains_key(OF_EVENTBRIDGE) => serde_json::Map::new(),
            Value::Object(fields) => fields,
            _ => return Err(EventError::NotAnObject),
        };
        // One by one, so that the message names the field.
        for (name, value) in &fields {
            let alone = Value::from_iter([(name.clone(), value.clone())]);
            serde_json::from_value::<Sent>(alone)
                .map_err(|error| EventError::Field(format!("{name}: {}", error.to_string().trim_end_matches('.'))))?;
        }
        let sent: Sent =
            serde_json::from_value(Value::Object(fields)).map_err(|error| EventError::Field(error.to_string()))?;
        if sent.count == Some(0) {
            return Err(EventError::Field("count: write at least 1".to_owned()));
        }
        Ok(Self {
            region: sent.region,
            count: sent.count,
            claim: sent.claim.unwrap_or(true),
            peers: sent.peers.map(|peers| of_list(&peers)).transpose()?,
        })
    }
}

/// The peers of a list in any of the forms that a file of peers has. Whoever invokes the function is not at the machine
/// that it runs on, so their addresses are subject to the policy.
fn of_list(list: &Value) -> Result<Vec<Peer>, EventError> {
    let mut peers = peer_list::parse(&list.to_string()).map_err(|error| EventError::Peers(error.to_string()))?;
    if peers.is_empty() {
        return Err(EventError::Peers("there are none".to_owned()));
    }
    for peer in &mut peers {
        peer.origin = Origin::Remote;
    }
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_without_wishes_takes_what_is_due() {
        let of_eventbridge = json!({"detail-type": "Scheduled Event", "region": "us-east-1", "id": "1"});
        for event in [json!({}), Value::Null, of_eventbridge, json!({"else": 1})] {
            let event = Event::read(event).unwrap();
            assert!(event.claim && event.peers.is_none() && event.region.is_none() && event.count.is_none());
        }
    }

    #[test]
    fn peers_are_urls_or_objects_and_no_local_persons() {
        let event = json!({"peers": ["tcp://192.0.2.1:11010", {"host": "192.0.2.2", "port": 11010}], "count": 5});
        let event = Event::read(event).unwrap();
        let peers = event.peers.unwrap();
        let urls: Vec<String> = peers.iter().map(|peer| peer.url.to_string()).collect();
        assert_eq!(urls, ["tcp://192.0.2.1:11010", "tcp://192.0.2.2:11010"]);
        assert!(peers.iter().all(|peer| peer.origin == Origin::Remote));
        assert_eq!(event.count, Some(5));
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        for (event, word) in [
            (json!([]), "no JSON object"),
            (json!("x"), "no JSON object"),
            (json!({"count": "many"}), "count"),
            (json!({"count": 0}), "count"),
            (json!({"claim": 1}), "claim"),
            (json!({"peers": []}), "none"),
            (json!({"peers": ["nonsense"]}), "nonsense"),
        ] {
            let error = Event::read(event.clone()).unwrap_err().to_string();
            assert!(error.contains(word), "{event}: {error}");
        }
    }
}
