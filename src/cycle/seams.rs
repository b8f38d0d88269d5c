//! Where a cycle plugs in: what gives it peers, and what takes its results.

use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    CheckResult, Peer,
    backend::{Backend, Cursor, Delivery, Reported, StatusReport},
};

/// An error of a source or sink, whatever they are.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives a cycle its peers, a page at a time.
pub trait PeerSource {
    /// The next page, which may be empty; `None` when there are no more. It gives up at `deadline`.
    fn next_page(&mut self, deadline: Instant) -> impl Future<Output = Result<Option<Page>, BoxError>>;
}

/// Some peers to check.
#[derive(Debug, Default)]
pub struct Page {
    pub peers: Vec<Peer>,
    /// Peers that were listed and cannot be watched, because something in them is wrong.
    pub skipped: u64,
}

/// Takes the results of a cycle.
pub trait ReportSink {
    /// Delivers a batch. An error means that it may be sent again; what is not to be sent again is in the delivery.
    fn send(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> impl Future<Output = Result<Delivery, BoxError>>;

    /// Reports on the probe itself, once at the end.
    fn report_status(&self, status: &StatusReport, deadline: Instant) -> impl Future<Output = Result<(), BoxError>>;
}

/// The listing of a backend, from its first page.
pub struct BackendPeers {
    backend: Backend,
    next: Next,
}

enum Next {
    Page(Option<Cursor>),
    End,
}

impl BackendPeers {
    pub fn new(backend: Backend) -> Self {
        Self { backend, next: Next::Page(None) }
    }
}

impl PeerSource for BackendPeers {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<Page>, BoxError> {
        let Next::Page(cursor) = std::mem::replace(&mut self.next, Next::End) else {
            return Ok(None);
        };
        let page = self.backend.peers_page(cursor, deadline).await?;
        if let Some(cursor) = page.next {
            self.next = Next::Page(Some(cursor));
        }
        Ok(Some(Page { peers: page.peers, skipped: page.skipped.into() }))
    }
}

/// Peers that are known already, from a file for example.
pub struct ListedPeers(Option<Vec<Peer>>);

impl ListedPeers {
    pub fn new(peers: Vec<Peer>) -> Self {
        Self(Some(peers))
    }
}

impl PeerSource for ListedPeers {
    async fn next_page(&mut self, _deadline: Instant) -> Result<Option<Page>, BoxError> {
        Ok(self.0.take().map(|peers| Page { peers, skipped: 0 }))
    }
}

impl ReportSink for Backend {
    async fn send(&self, cycle_id: Uuid, results: &[CheckResult], deadline: Instant) -> Result<Delivery, BoxError> {
        Ok(self.send_results(cycle_id, results, deadline).await?)
    }

    async fn report_status(&self, status: &StatusReport, deadline: Instant) -> Result<(), BoxError> {
        let (Reported::Accepted | Reported::Unsupported) = Backend::report_status(self, status, deadline).await?;
        Ok(())
    }
}

/// Takes nothing: for a dry run, or where there is no backend.
pub struct NoSink;

impl ReportSink for NoSink {
    async fn send(&self, _: Uuid, results: &[CheckResult], _: Instant) -> Result<Delivery, BoxError> {
        Ok(Delivery { not_wanted: results.len() as u32, ..Delivery::default() })
    }

    async fn report_status(&self, _: &StatusReport, _: Instant) -> Result<(), BoxError> {
        Ok(())
    }
}
