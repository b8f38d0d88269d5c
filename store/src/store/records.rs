//! Raw results of one approved peer.

use easytier_probe::Status;

use super::{Store, rows};
use crate::{
    db::{args, sql},
    domain::{DAY, FailureCount, HealthRecord, Page, PageRequest, PeerId, QUARTER, RecordFilter, Timestamp},
    error::StoreError,
};

/// The condition that a result may have been checked since the day `$5`, with results since the day `$6` kept. It lets
/// PostgreSQL leave out the partitions of older days; on SQLite it must not distract from the index. The day is that of the
/// probe's clock: a wrong clock puts a result into any day that has no partition, or by less than a day into the next.
macro_rules! since_day {
    (sqlite) => {
        "(+day >= $5 - 1 OR +day < $6)"
    };
    (postgres) => {
        "(day >= $5 - 1 OR day < $6)"
    };
}

#[derive(sqlx::FromRow)]
struct RecordRow {
    id: i64,
    checked_at: Timestamp,
    status: i64,
    response_us: Option<i64>,
    error: Option<String>,
    message: Option<String>,
}

#[derive(sqlx::FromRow)]
struct FailureRow {
    stage: String,
    error: Option<String>,
    checks: i64,
    last_at: Timestamp,
}

impl Store {
    /// One page of raw results, the newest first. The total is counted in an index; only the quarters of an hour that the
    /// page is in are read.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn health_records(
        &self,
        id: PeerId,
        filter: &RecordFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<HealthRecord>, StoreError> {
        let kept_since = self.target_since(id).await?.max(now - self.shared.retention().results);
        let since = filter.since.unwrap_or(kept_since).max(kept_since);
        let status = filter.status.map(rows::status_code);
        let quarters: Vec<i64> = (since.bucket(QUARTER)..=now.bucket(QUARTER)).collect();
        let count = sql!(
            "SELECT quarter, count(*) FROM results WHERE quarter ",
            (in 1),
            " AND peer_id = $2 AND checked_at >= $3 AND ($4 IS NULL OR status = $4) AND ",
            (since_day),
            " GROUP BY quarter ORDER BY quarter DESC"
        );
        let (day, kept_day) = (since.bucket(DAY), kept_since.bucket(DAY));
        let parameters = args![quarters, id, since, status, day, kept_day];
        let counts: Vec<(i64, i64)> = self.db().all(count, parameters).await?;
        let total = counts.iter().map(|(_, count)| count).sum();

        let (on_page, skip) = quarters_of(page, &counts);
        let select = sql!(
            "SELECT id, checked_at, status, response_us, error, message FROM results WHERE quarter ",
            (in 1),
            " AND peer_id = $2 AND checked_at >= $3 AND ($4 IS NULL OR status = $4) AND ",
            (since_day),
            " ORDER BY checked_at DESC, id DESC LIMIT $7 OFFSET $8"
        );
        let parameters = args![on_page, id, since, status, day, kept_day, page.limit(), skip];
        let found: Vec<RecordRow> = self.db().all(select, parameters).await?;
        let record = |row: RecordRow| HealthRecord {
            id: row.id,
            node_id: id,
            status: rows::status(row.status),
            response_us: row.response_us,
            error: rows::failure_code(row.error),
            message: row.message,
            checked_at: row.checked_at,
        };
        Ok(Page { items: found.into_iter().map(record).collect(), total: rows::count(total) })
    }

    /// How many checks of an approved peer failed since a time, by stage and code, the most frequent failure first. It
    /// reaches back as far as raw results are kept. Results with the status `Unknown` are not failures of the peer.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn node_failures(
        &self,
        id: PeerId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<FailureCount>, StoreError> {
        let kept_since = now - self.shared.retention().results;
        let since = since.max(self.target_since(id).await?).max(kept_since);
        let quarters: Vec<i64> = (since.bucket(QUARTER)..=now.bucket(QUARTER)).collect();
        let offline = rows::status_code(Status::Offline);
        let select = sql!(
            "SELECT stage, error, CAST(sum(checks - healthy) AS BIGINT) AS checks, max(checked_at) AS last_at \
             FROM results WHERE quarter ",
            (in 1),
            " AND peer_id = $2 AND checked_at >= $3 AND status = $4 AND ",
            (since_day),
            " GROUP BY stage, error \
             ORDER BY sum(checks - healthy) DESC, max(checked_at) DESC"
        );
        let (day, kept_day) = (since.bucket(DAY), kept_since.bucket(DAY));
        let parameters = args![quarters, id, since, offline, day, kept_day];
        let rows: Vec<FailureRow> = self.db().all(select, parameters).await?;
        let count = |row: FailureRow| FailureCount {
            stage: rows::stage(&row.stage),
            code: rows::failure_code(row.error),
            checks: rows::count(row.checks),
            last_at: row.last_at,
        };
        Ok(rows.into_iter().map(count).collect())
    }
}

/// The quarters that a page is in, and how many results of the first of them precede the page. `counts` has the number of
/// results by quarter, the newest quarter first.
fn quarters_of(page: PageRequest, counts: &[(i64, i64)]) -> (Vec<i64>, i64) {
    let mut skip = page.offset();
    let mut quarters = Vec::new();
    let mut available = 0;
    for (quarter, count) in counts {
        if quarters.is_empty() && skip >= *count {
            skip -= count;
            continue;
        }
        if available - skip >= page.limit() && !quarters.is_empty() {
            break;
        }
        quarters.push(*quarter);
        available += count;
    }
    (quarters, skip)
}
