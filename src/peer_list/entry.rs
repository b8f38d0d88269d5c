//! One entry of a list: a peer, or why there is none.

use serde_json::{Map, Value};

use super::{expected::Expected, listed::ListedPeer, place::Place, problem::PeerProblem};

/// An entry of a list.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// The peer, or all problems with it. A peer here has none of [`ListedPeer::problems`].
    pub peer: Result<ListedPeer, Vec<PeerProblem>>,
}

/// The names that other programs give to fields, and ours.
const OTHER_NAMES: [(&str, &str); 3] = [("uri", "url"), ("node_name", "name"), ("desc", "description")];

/// The fields of one way to reach a node that has several, and ours.
const OF_CONNECTIONS: [(&str, &str); 3] = [("type", "protocol"), ("ip", "host"), ("port", "port")];

/// The maximum number of ways to reach one node. Each becomes a peer with all that is said of the node.
const MAX_CONNECTIONS: usize = 32;

impl Entry {
    /// A URL. Messages about it show it, so its place has no label.
    pub(super) fn of_url(place: Place, url: &str) -> Self {
        Self::of_peer(place, ListedPeer::of_url(url))
    }

    /// An entry that is no peer.
    pub(super) fn refused(place: Place, problem: PeerProblem) -> Self {
        Self { place, peer: Err(vec![problem]) }
    }

    /// The entries of a value of a document: a URL, an object with the fields of a peer, or a node with several
    /// `connections`, each of which is a peer.
    pub(super) fn of_value(place: Place, value: Value) -> Vec<Self> {
        match value {
            Value::String(url) => {
                let peer = ListedPeer::of_url(&url);
                vec![Self::of_peer(Place { label: peer.label(), ..place }, peer)]
            }
            Value::Object(mut fields) => match fields.remove("connections") {
                Some(Value::Array(connections)) if connections.len() > MAX_CONNECTIONS => {
                    vec![Self::refused(place, PeerProblem::TooManyConnections { max: MAX_CONNECTIONS })]
                }
                Some(Value::Array(connections)) if !connections.is_empty() => {
                    let of_connection = |connection| Self::of_connection(place.clone(), &fields, connection);
                    connections.into_iter().map(of_connection).collect()
                }
                _ => vec![Self::of_fields(place, fields)],
            },
            _ => vec![Self::refused(place, PeerProblem::NotAPeer)],
        }
    }

    fn of_connection(place: Place, node: &Map<String, Value>, connection: Value) -> Self {
        let Value::Object(mut connection) = connection else { return Self::refused(place, PeerProblem::NotAPeer) };
        let mut fields = node.clone();
        for (theirs, ours) in OF_CONNECTIONS {
            if let Some(value) = connection.remove(theirs) {
                fields.insert(ours.to_owned(), value);
            }
        }
        Self::of_fields(place, fields)
    }

    fn of_fields(place: Place, mut fields: Map<String, Value>) -> Self {
        for (theirs, ours) in OTHER_NAMES {
            if !fields.contains_key(ours)
                && let Some(value) = fields.remove(theirs)
            {
                fields.insert(ours.to_owned(), value);
            }
        }
        match typed(fields) {
            Ok(peer) => Self::of_peer(Place { label: peer.label(), ..place }, peer),
            Err((label, problems)) => Self { place: Place { label, ..place }, peer: Err(problems) },
        }
    }

    fn of_peer(place: Place, peer: ListedPeer) -> Self {
        let problems = peer.problems();
        Self { place, peer: if problems.is_empty() { Ok(peer) } else { Err(problems) } }
    }

    /// Whether the list hides where the peer is.
    pub(super) fn hides_address(&self) -> bool {
        self.peer.as_ref().is_err_and(|problems| problems.iter().any(PeerProblem::hides_address))
    }
}

/// The peer of these fields; or its label, if the right ones name it, and all problems with the others.
fn typed(mut fields: Map<String, Value>) -> Result<ListedPeer, (Option<String>, Vec<PeerProblem>)> {
    let read = |fields: Map<String, Value>| serde_json::from_value::<ListedPeer>(fields.into());
    if let Ok(peer) = read(fields.clone()) {
        return Ok(peer);
    }
    // The error of serde names the field in some cases only, and quotes the value, which may be a secret, in others.
    let mut problems = Vec::new();
    fields.retain(|name, value| {
        let is_right = read(Map::from_iter([(name.clone(), value.clone())])).is_ok();
        if !is_right {
            problems.push(PeerProblem::WrongType { field: name.clone(), expected: Expected::of(name) });
        }
        is_right
    });
    Err((read(fields).ok().and_then(|peer| peer.label()), problems))
}
