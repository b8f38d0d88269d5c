//! The outbox of a probe: results in its local history that go to a backend. A position in the outbox is a row of results.

use easytier_probe::CheckResult;

use super::{
    Store,
    rows::{SentRow, sent_columns},
};
use crate::{
    db::{args, sql},
    domain::{ProbeId, Timestamp},
    error::StoreError,
};

/// A result, and its row. Rows are numbered in the order in which results were stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The number of the row.
    pub row: i64,
    /// The result, with the backend's id of the peer.
    pub result: CheckResult,
}

/// Selects results of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutgoingFilter {
    /// All results.
    All,
    /// Only the newest result of each peer.
    NewestOfEachPeer,
}

#[derive(sqlx::FromRow)]
struct OutgoingRow {
    id: i64,
    remote_id: i64,
    #[sqlx(flatten)]
    sent: SentRow,
}

impl OutgoingRow {
    fn into_outgoing(self) -> Result<Outgoing, StoreError> {
        let result = self.sent.into_result(self.id, self.remote_id)?;
        Ok(Outgoing { row: self.id, result })
    }
}

impl Store {
    /// At most `limit` results in the rows after `after` up to `up_to`, the oldest first, of peers that the backend lists.
    /// They are the results of `probe` and of its earlier names: of every probe without a token in this database, because
    /// a probe with a token reported from elsewhere. Checks of a peer before it became another one are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn outgoing(
        &self,
        backend: &str,
        probe: ProbeId,
        (after, up_to): (i64, i64),
        filter: OutgoingFilter,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let select = concat!(
            "SELECT d.id, o.remote_id, ",
            sent_columns!(),
            " FROM results d JOIN backends b ON b.url = $1 \
             JOIN peer_origins o ON o.backend_id = b.id AND o.peer_id = d.peer_id \
             JOIN peers p ON p.id = d.peer_id AND p.target_since <= d.checked_at WHERE d.id > $2 AND d.id <= $3 AND (d.probe_id = $4 OR d.probe_id NOT IN \
             (SELECT probe_id FROM credentials WHERE probe_id IS NOT NULL)) \
             AND ($5 OR d.id IN (SELECT max(id) FROM results WHERE id > $2 GROUP BY peer_id)) ORDER BY d.id LIMIT $6"
        );
        let parameters = args![backend, after, up_to, probe, filter == OutgoingFilter::All, limit];
        let rows: Vec<OutgoingRow> = self.db().all(select, parameters).await?;
        rows.into_iter().map(OutgoingRow::into_outgoing).collect()
    }

    /// The newest row of results; 0 when there never was one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn newest_result(&self) -> Result<i64, StoreError> {
        let select = sql!(["SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'results'), 0)"
            | "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM results_id"]);
        self.db().one::<(i64,)>(select, vec![]).await.map(|(newest,)| newest)
    }

    /// The last row, in the rows after `after` up to `up_to`, up to which every result was received before `since`. Rows
    /// are in the order of time, so a binary search reads only a few.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_result_before(&self, since: Timestamp, (after, up_to): (i64, i64)) -> Result<i64, StoreError> {
        let select = "SELECT id, received_at FROM results WHERE id > $1 AND id <= $2 ORDER BY id LIMIT 1";
        let (mut low, mut high) = (after, up_to);
        while low < high {
            let middle = low + (high - low) / 2;
            let next: Option<(i64, Timestamp)> = self.db().optional(select, args![middle, up_to]).await?;
            match next {
                Some((row, received_at)) if received_at < since => low = row,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// When the first result after the row `after` was received.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn received_after(&self, after: i64) -> Result<Option<Timestamp>, StoreError> {
        let select = "SELECT received_at FROM results WHERE id > $1 ORDER BY id LIMIT 1";
        let row: Option<(Timestamp,)> = self.db().optional(select, args![after]).await?;
        Ok(row.map(|(received_at,)| received_at))
    }

    /// The spool that [`Store::put_spool`] stored for a backend.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn spool(&self, backend: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> =
            self.db().optional("SELECT spool FROM backends WHERE url = $1", args![backend]).await?;
        Ok(row.and_then(|(spool,)| spool))
    }

    /// Stores which results are not delivered to a backend yet, in a format of the caller.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_spool(&self, backend: &str, spool: &str) -> Result<(), StoreError> {
        let upsert = "INSERT INTO backends (url, spool) VALUES ($1, $2) \
                      ON CONFLICT (url) DO UPDATE SET spool = excluded.spool";
        self.db().execute(upsert, args![backend, spool]).await.map(drop)
    }
}
