//! A source and a sink that call closures of the test and record what passed through them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{cell::RefCell, collections::HashSet};

use easytier_probe::{
    CheckResult, Peer, PeerSource, ReportSink,
    backend::{Delivery, StatusReport},
    cycle::{BoxError, SourcePage},
};
use tokio::time::Instant;
use uuid::Uuid;

/// A source whose closure returns the page with the given number, counted from 0.
pub struct Source<F> {
    give: F,
    asked: usize,
}

impl<F: AsyncFnMut(usize) -> Result<Option<SourcePage>, BoxError>> Source<F> {
    pub fn new(give: F) -> Self {
        Self { give, asked: 0 }
    }
}

impl<F: AsyncFnMut(usize) -> Result<Option<SourcePage>, BoxError>> PeerSource for Source<F> {
    async fn next_page(&mut self, _deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        self.asked += 1;
        (self.give)(self.asked - 1).await
    }
}

/// A page with these peers.
pub fn page(peers: impl IntoIterator<Item = Peer>) -> Result<Option<SourcePage>, BoxError> {
    Ok(Some(SourcePage { peers: peers.into_iter().collect(), skipped: 0 }))
}

/// A sink whose closure gets the number of a batch, counted from 0, and its results, and returns the delivery.
pub struct Sink<F> {
    take: F,
    batches: RefCell<Vec<Vec<CheckResult>>>,
    cycles: RefCell<HashSet<Uuid>>,
    statuses: RefCell<Vec<StatusReport>>,
}

impl<F: AsyncFn(usize, &[CheckResult]) -> Result<Delivery, BoxError>> Sink<F> {
    pub fn new(take: F) -> Self {
        Self { take, batches: RefCell::default(), cycles: RefCell::default(), statuses: RefCell::default() }
    }

    /// All batches that were sent, delivered or not.
    pub fn batches(&self) -> Vec<Vec<CheckResult>> {
        self.batches.borrow().clone()
    }

    /// The ids of the cycles that sent results.
    pub fn cycles(&self) -> HashSet<Uuid> {
        self.cycles.borrow().clone()
    }

    pub fn statuses(&self) -> Vec<StatusReport> {
        self.statuses.borrow().clone()
    }
}

impl<F: AsyncFn(usize, &[CheckResult]) -> Result<Delivery, BoxError>> ReportSink for Sink<F> {
    async fn send(&self, cycle_id: Uuid, results: &[CheckResult], _deadline: Instant) -> Result<Delivery, BoxError> {
        let number = {
            let mut batches = self.batches.borrow_mut();
            batches.push(results.to_vec());
            batches.len() - 1
        };
        self.cycles.borrow_mut().insert(cycle_id);
        (self.take)(number, results).await
    }

    async fn report_status(&self, status: &StatusReport, _deadline: Instant) -> Result<(), BoxError> {
        self.statuses.borrow_mut().push(status.clone());
        Ok(())
    }
}

/// The delivery of a batch whose results are all accepted.
pub fn taken(results: &[CheckResult]) -> Delivery {
    Delivery { accepted: results.len() as u32, ..Delivery::default() }
}
