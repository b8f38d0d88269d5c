//! Responses that callers have not taken yet. Their memory has a limit in all; when it is reached, the party with most
//! unread bytes loses its oldest response.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::{party::Party, places::Hold};

/// The maximum number of bytes of all unread responses. A body that many responses share counts once.
const BUDGET: usize = 64 << 20;

/// Shorter parts of a response do not count: their number is limited by that of connections.
const MIN_COUNTED: usize = 16 << 10;

/// The unread responses.
#[derive(Debug)]
pub struct Unread {
    budget: usize,
    ledger: Mutex<Ledger>,
}

impl Default for Unread {
    fn default() -> Self {
        Self { budget: BUDGET, ledger: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Ledger {
    next_id: u64,
    /// The oldest first.
    parts: BTreeMap<u64, Part>,
    /// How many parts are at an address in memory, and their length.
    bodies: HashMap<usize, (usize, usize)>,
    total: usize,
}

/// A part of a response, mostly the whole body.
#[derive(Debug)]
struct Part {
    party: Party,
    length: usize,
    at: usize,
    connection: Hold,
}

impl Unread {
    /// Counts `bytes` until they are dropped, that is, written to the connection.
    fn count(self: &Arc<Self>, bytes: Bytes, party: Party, connection: &Hold) -> Bytes {
        if bytes.len() < MIN_COUNTED {
            return bytes;
        }
        let (at, length) = (bytes.as_ptr() as usize, bytes.len());
        let id = {
            let mut ledger = self.ledger();
            let id = ledger.add(Part { party, length, at, connection: connection.clone() });
            while ledger.total > self.budget
                && let Some(victim) = ledger.victim(id)
                && let Some(part) = ledger.remove(victim)
            {
                part.connection.end();
            }
            id
        };
        Bytes::from_owner(Counted { bytes, id, unread: Arc::clone(self) })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn add(&mut self, part: Part) -> u64 {
        let (sharers, length) = self.bodies.entry(part.at).or_insert((0, part.length));
        if *sharers == 0 {
            self.total += *length;
        }
        *sharers += 1;
        let id = self.next_id;
        self.next_id += 1;
        self.parts.insert(id, part);
        id
    }

    fn remove(&mut self, id: u64) -> Option<Part> {
        let part = self.parts.remove(&id)?;
        if let Some((sharers, length)) = self.bodies.get_mut(&part.at) {
            *sharers -= 1;
            if *sharers == 0 {
                self.total -= *length;
                self.bodies.remove(&part.at);
            }
        }
        Some(part)
    }

    /// The oldest part of the party with most bytes. The `newest` part is spared, so that one long response can be sent.
    fn victim(&self, newest: u64) -> Option<u64> {
        let mut held: HashMap<Party, usize> = HashMap::new();
        for part in self.parts.values() {
            *held.entry(part.party).or_default() += part.length;
        }
        let others = || self.parts.iter().filter(|(id, _)| **id != newest);
        let most = others().map(|(_, part)| held[&part.party]).max()?;
        others().find(|(_, part)| held[&part.party] == most).map(|(id, _)| *id)
    }
}

/// Bytes that are counted.
struct Counted {
    bytes: Bytes,
    id: u64,
    unread: Arc<Unread>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unread.ledger().remove(self.id);
    }
}

/// Who takes a response, and over which connection.
pub struct Reader(Option<(Party, Hold)>);

impl Reader {
    /// That of the response to this request.
    pub fn of(request: &Request) -> Self {
        Self(Party::of_request(request.extensions()).zip(request.extensions().get::<Hold>().cloned()))
    }

    /// Has the bytes of the response counted until they are taken.
    pub fn counted(self, unread: &Arc<Unread>, response: Response) -> Response {
        if response.body().size_hint().upper().is_some_and(|length| length < MIN_COUNTED as u64) {
            return response;
        }
        let Some((party, connection)) = self.0 else { return response };
        response.map(|body| Body::new(CountedBody { body, unread: Arc::clone(unread), party, connection }))
    }
}

/// A response body whose bytes are counted as they leave it.
struct CountedBody {
    body: Body,
    unread: Arc<Unread>,
    party: Party,
    connection: Hold,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        let count = |bytes| this.unread.count(bytes, this.party, &this.connection);
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(count))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::places::{Place, Places};

    fn party(last: u8) -> Party {
        Party::of([192, 0, 2, last].into())
    }

    fn connection() -> Place {
        Places::new(1).take(party(1)).unwrap()
    }

    fn body() -> Bytes {
        vec![0; MIN_COUNTED].into()
    }

    /// Room for four bodies.
    fn unread() -> Arc<Unread> {
        Arc::new(Unread { budget: 4 * MIN_COUNTED, ledger: Mutex::default() })
    }

    fn is_cut(connection: &Place) -> bool {
        connection.lost().now_or_never().is_some()
    }

    #[test]
    fn the_party_with_most_unread_bytes_loses_its_oldest_response() {
        let (unread, greedy, honest) = (unread(), [(); 4].map(|()| connection()), connection());
        let held = [0, 1, 2].map(|nth| unread.count(body(), party(1), &greedy[nth].hold()));
        let taken = unread.count(body(), party(2), &honest.hold());
        let more = unread.count(body(), party(1), &greedy[3].hold());
        assert_eq!(greedy.each_ref().map(is_cut), [true, false, false, false]);
        assert!(!is_cut(&honest));
        assert_eq!(unread.ledger().total, 4 * MIN_COUNTED);
        drop((held, taken, more));
        assert_eq!(unread.ledger().total, 0);
    }

    #[test]
    fn a_body_that_responses_share_counts_once() {
        let (unread, connection, shared) = (unread(), connection(), body());
        let held: Vec<Bytes> = (0..100).map(|_| unread.count(shared.clone(), party(1), &connection.hold())).collect();
        assert_eq!(unread.ledger().total, MIN_COUNTED);
        assert!(!is_cut(&connection));
        drop(held);
        assert_eq!(unread.ledger().total, 0);
    }

    #[test]
    fn one_response_may_be_longer_than_the_budget() {
        let (unread, connection) = (unread(), connection());
        let _held = unread.count(vec![0; 5 * MIN_COUNTED].into(), party(1), &connection.hold());
        assert!(!is_cut(&connection));
    }
}
