//! How batches of results are received: within a memory that all probes share, and so that a probe which sends slowly keeps
//! nobody else waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use easytier_uptime_monitor::{
    Refusal,
    input::{BODY_TIMEOUT, MAX_BODY, Parts, check_json, took_too_long},
};
use easytier_uptime_store::domain::ProbeId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How many KiB of bodies are in memory at the same time: 16 of the longest ones.
const MAX_KIBIBYTES: usize = 16 * (MAX_BODY >> 10);

/// How many bodies of one probe arrive at the same time. Its further ones wait in their connections.
const BODIES_OF_PROBE: usize = 2;

/// How many batches are parsed and stored at the same time. Others wait with their bodies in memory.
const TURNS: usize = 32;

/// What the bodies of results share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reception(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kibibytes: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// Of the probes whose bodies arrive.
    probes: Mutex<HashMap<ProbeId, Weak<Semaphore>>>,
}

/// A body that has arrived, with its memory and its turn, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct Received {
    pub body: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
    turn: Turn,
}

/// The turn to store a batch.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Received {
    /// Gives the memory of the body back.
    pub fn into_turn(self) -> Turn {
        self.turn
    }
}

impl Default for Reception {
    fn default() -> Self {
        Self::within(MAX_KIBIBYTES, TURNS)
    }
}

impl Reception {
    fn within(kibibytes: usize, turns: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self(Arc::new(Shared { kibibytes: semaphore(kibibytes), turns: semaphore(turns), probes: Mutex::default() }))
    }

    /// Receives the body of a request by a probe, and waits for a turn to store it.
    ///
    /// # Errors
    ///
    /// When the body is not JSON (415), is too long (413), takes too long to arrive (408) or breaks off (400).
    pub async fn receive(&self, from: ProbeId, request: Request) -> Result<Received, Refusal> {
        check_json(request.headers())?;
        let (body, memory) = timeout(BODY_TIMEOUT, self.body(from, request)).await.map_err(|_| took_too_long())??;
        // No semaphore is ever closed.
        let turn = self.0.turns.clone().acquire_owned().await.ok();
        Ok(Received { body, _memory: memory, turn: Turn { _permit: turn } })
    }

    async fn body(&self, from: ProbeId, request: Request) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
        let of_probe = self.of_probe(from);
        let _place = of_probe.acquire().await;
        let mut parts = Parts::of(request.into_body(), MAX_BODY)?;
        let (mut body, mut memory) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
        while let Some(part) = parts.next().await? {
            body.extend_from_slice(&part);
            let held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let needed = body.len().div_ceil(1 << 10).saturating_sub(held);
            // A body holds memory for what has arrived, so one that trickles holds little.
            let more =
                self.0.kibibytes.clone().acquire_many_owned(u32::try_from(needed).unwrap_or(u32::MAX)).await.ok();
            match (&mut memory, more) {
                (Some(memory), Some(more)) => memory.merge(more),
                (memory, more) => *memory = more,
            }
        }
        Ok((body.freeze(), memory))
    }

    fn of_probe(&self, probe: ProbeId) -> Arc<Semaphore> {
        let mut probes = self.0.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.retain(|_, places| places.strong_count() > 0);
        if let Some(places) = probes.get(&probe).and_then(Weak::upgrade) {
            return places;
        }
        let places = Arc::new(Semaphore::new(BODIES_OF_PROBE));
        probes.insert(probe, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode};
    use futures::{FutureExt, StreamExt, stream};

    use super::*;

    fn whole(kibibytes: usize) -> Request {
        Request::new(Body::from(vec![b' '; kibibytes << 10]))
    }

    /// A body whose first KiB has arrived, and whose rest never does.
    fn trickling() -> Request {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1 << 10]))]);
        Request::new(Body::from_stream(first.chain(stream::pending())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_trickles_takes_nothing_from_others() {
        let reception = Reception::within(8, 1);
        let mut slow: Vec<_> = (0..50).map(|_| Box::pin(reception.receive(ProbeId(1), trickling()))).collect();
        for body in &mut slow {
            assert!(body.now_or_never().is_none());
        }
        let received = reception.receive(ProbeId(2), whole(6)).now_or_never().expect("it does not wait").unwrap();
        assert_eq!(received.body.len(), 6 << 10);
        drop(received);
        let refusal = slow.remove(0).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_beyond_the_memory_wait() {
        let reception = Reception::within(8, 8);
        let received = reception.receive(ProbeId(1), whole(6)).await.unwrap();
        let mut waiting = Box::pin(reception.receive(ProbeId(2), whole(6)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(received);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn batches_beyond_the_turns_wait() {
        let reception = Reception::within(8, 1);
        let received = reception.receive(ProbeId(1), whole(1)).await.unwrap();
        let mut waiting = Box::pin(reception.receive(ProbeId(1), whole(1)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(received);
        waiting.await.unwrap();
    }
}
