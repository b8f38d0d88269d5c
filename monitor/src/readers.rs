//! How many reads of strangers run at the same time. The database has a few connections, so more at once are no faster;
//! they would only keep the others waiting: authentication, results, `/health`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{party::Party, refusal::Refusal};

/// The limits.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// How many reads run at the same time. PostgreSQL has twice as many connections.
    at_once: usize,
    /// How many of them are of one party.
    of_party: usize,
    /// How many reads of one party run or wait.
    party_queue: usize,
    /// How many reads run or wait.
    queue: usize,
    /// How long a read waits.
    patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 8, of_party: 4, party_queue: 1024, queue: 4096, patience: Duration::from_secs(10) }
    }
}

/// The reads that run or wait. Clones share them.
#[derive(Debug, Clone)]
pub struct Readers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    turns: Arc<Semaphore>,
    desks: Mutex<Desks>,
}

#[derive(Debug, Default)]
struct Desks {
    of_party: HashMap<Party, Desk>,
    readers: usize,
}

/// The reads of one party.
#[derive(Debug)]
struct Desk {
    turns: Arc<Semaphore>,
    readers: usize,
}

impl Default for Readers {
    fn default() -> Self {
        Self::within(Limits::default())
    }
}

impl Readers {
    fn within(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, turns: Arc::new(Semaphore::new(limits.at_once)), desks: Mutex::default() }))
    }

    /// Waits for a turn to read. The read runs until the turn is dropped.
    ///
    /// # Errors
    ///
    /// When too many reads of the party wait (429), or the wait takes too long (503).
    pub async fn turn(&self, party: Party) -> Result<Turn, Refusal> {
        let reader = self.queue(party)?;
        // The party's own turn comes first, so that its other reads do not stand in the common queue.
        let turns = async {
            Some([reader.turns.clone().acquire_owned().await.ok()?, self.0.turns.clone().acquire_owned().await.ok()?])
        };
        match timeout(self.0.limits.patience, turns).await {
            Ok(Some(turns)) => Ok(Turn { _turns: turns, _reader: reader }),
            Ok(None) | Err(_) => Err(Refusal::unavailable("too many requests at the same time; try again later")),
        }
    }

    fn queue(&self, party: Party) -> Result<Reader, Refusal> {
        let limits = self.0.limits;
        let mut desks = self.0.desks();
        if desks.readers >= limits.queue {
            return Err(Refusal::unavailable("too many requests at the same time; try again later"));
        }
        let new = || Desk { turns: Arc::new(Semaphore::new(limits.of_party)), readers: 0 };
        let desk = desks.of_party.entry(party).or_insert_with(new);
        if desk.readers >= limits.party_queue {
            return Err(Refusal::too_many_requests("too many requests at the same time; try again later", 1));
        }
        desk.readers += 1;
        let turns = Arc::clone(&desk.turns);
        desks.readers += 1;
        Ok(Reader { party, turns, shared: Arc::clone(&self.0) })
    }
}

impl Shared {
    fn desks(&self) -> MutexGuard<'_, Desks> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of a read.
#[derive(Debug)]
pub struct Turn {
    // The fields are dropped in this order.
    _turns: [OwnedSemaphorePermit; 2],
    _reader: Reader,
}

/// A read that runs or waits.
#[derive(Debug)]
struct Reader {
    party: Party,
    turns: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut desks = self.shared.desks();
        desks.readers -= 1;
        if let Some(desk) = desks.of_party.get_mut(&self.party) {
            desk.readers -= 1;
            if desk.readers == 0 {
                desks.of_party.remove(&self.party);
            }
        }
    }
}

/// Lets a read run when it has its turn. Requests that change something have limits of their own.
pub async fn in_turn(State(readers): State<Readers>, request: Request, next: Next) -> Response {
    let party = Party::of_request(request.extensions()).filter(|_| request.method().is_safe());
    let Some(party) = party else { return next.run(request).await };
    match readers.turn(party).await {
        Ok(_turn) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use futures::FutureExt;

    use super::*;

    const LIMITS: Limits =
        Limits { at_once: 2, of_party: 1, party_queue: 3, queue: 5, patience: Duration::from_secs(10) };

    fn party(last: u8) -> Party {
        Party::of([192, 0, 2, last].into())
    }

    #[tokio::test]
    async fn the_reads_of_one_party_leave_turns_to_others() {
        let readers = Readers::within(LIMITS);
        let first = readers.turn(party(1)).await.unwrap();
        let mut waiting = Box::pin(readers.turn(party(1)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(readers.turn(party(2)).await.unwrap());
        drop(first);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_for_its_turn_only_so_long() {
        let readers = Readers::within(LIMITS);
        let _turns = [readers.turn(party(1)).await.unwrap(), readers.turn(party(2)).await.unwrap()];
        let refusal = readers.turn(party(3)).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refusal.retry_after.is_some());
    }

    #[tokio::test]
    async fn the_number_of_those_that_wait_is_limited() {
        let readers = Readers::within(LIMITS);
        let _turns = [readers.turn(party(1)).await.unwrap(), readers.turn(party(2)).await.unwrap()];
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(readers.turn(party(1)))).collect();
        waiting.iter_mut().for_each(|waiting| assert!(waiting.now_or_never().is_none()));
        let refused = readers.turn(party(1)).await.unwrap_err();
        assert_eq!((refused.status, refused.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
        let mut last = Box::pin(readers.turn(party(3)));
        assert!((&mut last).now_or_never().is_none());
        assert_eq!(readers.turn(party(4)).await.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        // Whoever gives up leaves the queue.
        drop((waiting, last));
        drop(readers.turn(party(4)));
        assert_eq!(readers.0.desks().readers, 2);
        assert_eq!(readers.0.desks().of_party.len(), 2);
    }
}
