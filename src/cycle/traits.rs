//! The interfaces of a cycle: the source of its peers and the sink of its results.

use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    CheckResult, Peer,
    backend::{Backend, Cursor, Delivery, Reported, StatusReport},
};

/// An error of a source or a sink.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The source of a cycle's peers, read page by page.
pub trait PeerSource {
    /// The next page, which may be empty; `None` at the end of the list. The source gives up at `deadline`.
    ///
    /// # Errors
    ///
    /// If the page cannot be fetched. The cycle then fetches no more pages.
    fn next_page(&mut self, deadline: Instant) -> impl Future<Output = Result<Option<SourcePage>, BoxError>>;
}

/// A page of a [`PeerSource`].
#[derive(Debug, Default)]
pub struct SourcePage {
    /// The peers to check.
    pub peers: Vec<Peer>,
    /// How many peers were listed but are not valid.
    pub skipped: u64,
}

/// The sink of a cycle's results.
pub trait ReportSink {
    /// Delivers a batch. [`Delivery`] must account for each of its results.
    ///
    /// # Errors
    ///
    /// If the batch may be sent again. The cycle then sends no more batches.
    fn send(
        &self,
        cycle_id: Uuid,
        results: &[CheckResult],
        deadline: Instant,
    ) -> impl Future<Output = Result<Delivery, BoxError>>;

    /// Reports the status of the probe itself, once at the end of the cycle.
    ///
    /// # Errors
    ///
    /// If the status was not delivered.
    fn report_status(&self, status: &StatusReport, deadline: Instant) -> impl Future<Output = Result<(), BoxError>>;
}

/// The peers that a backend lists.
pub struct BackendPeers {
    backend: Backend,
    position: Position,
}

enum Position {
    /// The page at this cursor comes next; `None` for the first page.
    Page(Option<Cursor>),
    End,
}

impl BackendPeers {
    /// The listing of `backend`, from its first page.
    pub fn new(backend: Backend) -> Self {
        Self { backend, position: Position::Page(None) }
    }
}

impl PeerSource for BackendPeers {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        let Position::Page(cursor) = std::mem::replace(&mut self.position, Position::End) else {
            return Ok(None);
        };
        let page = self.backend.peers_page(cursor, deadline).await?;
        if let Some(cursor) = page.next {
            self.position = Position::Page(Some(cursor));
        }
        Ok(Some(SourcePage { peers: page.peers, skipped: page.skipped.into() }))
    }
}

/// Peers from a list in memory.
pub struct ListedPeers(Option<Vec<Peer>>);

impl ListedPeers {
    /// A single page with these peers.
    pub fn new(peers: Vec<Peer>) -> Self {
        Self(Some(peers))
    }
}

impl PeerSource for ListedPeers {
    async fn next_page(&mut self, _deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        Ok(self.0.take().map(|peers| SourcePage { peers, skipped: 0 }))
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

/// A sink that discards everything, for a dry run or without a backend.
pub struct NoSink;

impl ReportSink for NoSink {
    async fn send(&self, _: Uuid, results: &[CheckResult], _: Instant) -> Result<Delivery, BoxError> {
        Ok(Delivery { not_wanted: results.len() as u32, ..Delivery::default() })
    }

    async fn report_status(&self, _: &StatusReport, _: Instant) -> Result<(), BoxError> {
        Ok(())
    }
}
