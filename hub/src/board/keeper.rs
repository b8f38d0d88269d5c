//! Keeps the newest snapshot, and makes a new one when there is something new.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{body::Bytes, http::HeaderMap, response::Response};

use easytier_uptime_monitor::{Refusal, cluster::Cluster};
use easytier_uptime_store::{Store, StoreError};
use tokio::{
    sync::{Mutex, watch},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    documents::{Documents, Key},
    refresh::{Depth, Freshness, Making},
    snapshot::Snapshot,
};
use crate::service::Instances;

/// How often the database is asked for changes. A snapshot is made at most so often.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maximum time to ask for the place of this instance.
const PLACE_TIMEOUT: Duration = Duration::from_secs(5);

/// The newest snapshot of all nodes, and what was rendered from it.
pub struct Board {
    store: Store,
    instances: Arc<Instances>,
    freshness: Freshness,
    newest: watch::Sender<Option<Arc<Snapshot>>>,
    making: Mutex<Making>,
    documents: Documents,
}

impl Board {
    /// Makes snapshots of `store` until the board is dropped. `instances`: knows the place of this instance among others. It must be
    /// called on a tokio runtime.
    pub fn start(store: Store, instances: Arc<Instances>, freshness: Freshness) -> Arc<Self> {
        let making = Mutex::new(Making::new(freshness, instances.own().clone()));
        let (newest, documents) = (watch::Sender::new(None), Documents::default());
        let board = Arc::new(Self { store, instances, freshness, newest, making, documents });
        tokio::spawn(keep_nodes(Arc::downgrade(&board)));
        tokio::spawn(keep_pasts(Arc::downgrade(&board)));
        board
    }

    /// How current the nodes are.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// The newest snapshot. Only the first readers after the start wait for it.
    ///
    /// # Errors
    ///
    /// When there is none yet and the database fails.
    pub async fn newest(&self) -> Result<Arc<Snapshot>, StoreError> {
        let known = self.known();
        match (known, self.freshness) {
            (Some(known), Freshness::Behind) => Ok(known),
            (None, Freshness::Behind) => self.refresh(Depth::IfNone).await,
            (known, Freshness::Exact) => {
                let exact = async {
                    self.refresh(Depth::All).await?;
                    self.refresh_pasts(true).await
                };
                match (exact.await, self.known().or(known)) {
                    (_, Some(snapshot)) => Ok(snapshot),
                    (Err(error), None) => Err(error),
                    (Ok(()), None) => Err(StoreError::Unavailable),
                }
            }
        }
    }

    /// The newest snapshot, if there is one; without waiting.
    pub fn known(&self) -> Option<Arc<Snapshot>> {
        self.newest.borrow().clone()
    }

    /// The newest snapshot for what is on every page, without waiting, unless for an exact one. It is empty before the first.
    pub async fn for_frame(&self) -> Arc<Snapshot> {
        let newest = match self.freshness {
            Freshness::Behind => self.known(),
            Freshness::Exact => self.newest().await.ok(),
        };
        newest.unwrap_or_default()
    }

    /// Responds with a document that `make` makes from a snapshot, unless the board or the caller has it already.
    pub fn respond(
        &self,
        snapshot: &Snapshot,
        key: &Key,
        request: &HeaderMap,
        make: impl FnOnce() -> Result<Bytes, Refusal>,
    ) -> Result<Response, Refusal> {
        self.documents.respond(snapshot, key, request, make)
    }

    async fn refresh(&self, depth: Depth) -> Result<Arc<Snapshot>, StoreError> {
        let mut making = self.making.lock().await;
        let outcome = making.refresh(&self.store, depth).await;
        if outcome.is_ok()
            && let Ok(Ok(place)) = timeout(PLACE_TIMEOUT, self.instances.place()).await
        {
            making.stand(place.into());
        }
        self.publish(&mut making);
        outcome?;
        self.known().ok_or(StoreError::Unavailable)
    }

    /// Brings the histories up to date: all of them, or those that are due.
    async fn refresh_pasts(&self, all: bool) -> Result<(), StoreError> {
        let Some(due) = self.making.lock().await.pasts_due(all) else { return Ok(()) };
        for part in due.parts() {
            let read = due.read(&self.store, part).await?;
            self.making.lock().await.add_pasts(read);
        }
        let mut making = self.making.lock().await;
        making.pasts_done(&due);
        self.publish(&mut making);
        Ok(())
    }

    fn publish(&self, making: &mut Making) {
        let Some(snapshot) = making.next(self.known().as_deref()) else { return };
        let is_new = self.known().is_none_or(|known| known.number != snapshot.number);
        self.newest.send_replace(Some(Arc::new(snapshot)));
        if is_new {
            self.documents.forget();
        }
    }
}

async fn keep_nodes(board: Weak<Board>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(board) = board.upgrade() else { return };
        if let Err(error) = board.refresh(Depth::WhatChanged).await {
            tracing::debug!(%error, "the nodes cannot be read; visitors see them as they were");
        }
    }
}

async fn keep_pasts(board: Weak<Board>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(board) = board.upgrade() else { return };
        if let Err(error) = board.refresh_pasts(false).await {
            tracing::debug!(%error, "the histories cannot be read; visitors see older ones");
        }
    }
}
