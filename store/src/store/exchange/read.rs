//! Reads results in the order of their rows.

use crate::{
    db::args,
    domain::ForeignResult,
    error::StoreError,
    store::{
        Store, row_order,
        rows::{self, SentRow, sent_columns},
    },
};

#[derive(sqlx::FromRow)]
struct StoredRow {
    id: i64,
    peer_id: i64,
    server_id: Option<String>,
    check_interval_ms: Option<i64>,
    region: String,
    uid: Option<String>,
    url: Option<String>,
    /// Whether the peer exists and is shared.
    shared: bool,
    #[sqlx(flatten)]
    sent: SentRow,
}

impl StoredRow {
    /// The result; `None` when its peer or probe has no name for others, because it was removed or is not shared.
    fn into_result(self) -> Result<Option<ForeignResult>, StoreError> {
        let (Some(peer_uid), Some(server_id)) = (self.uid, self.server_id) else { return Ok(None) };
        let corrupt = |what: &str| StoreError::Corrupt(format!("results.{what} of row {}", self.id));
        Ok(Some(ForeignResult {
            server_id,
            region: self.region.parse().map_err(|_| corrupt("region_id"))?,
            peer_uid,
            check_interval: rows::duration(self.check_interval_ms),
            protocol: self.url.as_deref().and_then(|url| url.split_once("://")).unwrap_or_default().0.to_owned(),
            result: self.sent.into_result(self.id, self.peer_id)?,
        }))
    }
}

impl Store {
    /// Reads at most `limit` rows of results after `row`, the oldest first. Returns the results in them and the row to go on
    /// from: when there are none it is `row` or a later one. `with_mirrored` says whether results that came from the primary
    /// are among them.
    ///
    /// The read ends before the first row that another transaction may not have committed yet, and before the first result of
    /// a peer that has no uid yet, so no result is skipped that can be read later. Results of peers that are not shared, and of
    /// peers and probes that were removed, are left out.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn results_after(
        &self,
        row: i64,
        limit: u32,
        with_mirrored: bool,
    ) -> Result<(Vec<ForeignResult>, i64), StoreError> {
        let settled = row_order::settled(self.db(), self.newest_result().await?).await?;
        if settled <= row {
            return Ok((Vec::new(), row));
        }
        let select = concat!(
            "SELECT d.id, d.peer_id, b.server_id, b.check_interval_ms, \
             r.name AS region, o.uid, p.url, coalesce(NOT p.set_aside, FALSE) AS shared, ",
            sent_columns!(),
            " FROM results d JOIN regions r ON r.id = d.region_id LEFT JOIN probes b ON b.id = d.probe_id \
             LEFT JOIN peers p ON p.id = d.peer_id \
             LEFT JOIN synced_objects o ON o.kind = 'peer' AND o.local_key = CAST(d.peer_id AS TEXT) AND o.deleted_at IS NULL \
             WHERE d.id > $1 AND d.id <= $2 AND ($3 OR NOT d.mirrored) ORDER BY d.id LIMIT $4"
        );
        let stored: Vec<StoredRow> = self.db().all(select, args![row, settled, with_mirrored, limit]).await?;
        let mut next = if stored.len() < limit as usize { settled } else { row };
        let (mut results, mut last) = (Vec::with_capacity(stored.len()), row);
        for one in stored {
            if one.shared && one.uid.is_none() {
                return Ok((results, last));
            }
            last = one.id;
            results.extend(one.into_result()?);
        }
        next = next.max(last);
        Ok((results, next))
    }
}
