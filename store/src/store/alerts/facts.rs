//! What the rules of alerts ask about nodes.

use std::time::Duration;

use crate::{
    db::{args, sql},
    domain::{AlertNode, PeerId, Timestamp},
    error::StoreError,
    store::{Store, duties::database_now, rows, watched::is_watched},
};

#[derive(sqlx::FromRow)]
struct NodeRow {
    id: PeerId,
    name: String,
    url: String,
    tags: Option<String>,
    regions: Option<String>,
    verdict: i64,
    since: Timestamp,
}

/// The columns of a [`NodeRow`] and their tables.
macro_rules! node_columns {
    ($engine:ident) => {
        "p.id, p.name, p.url, s.verdict, s.since, \
         (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags, \
         (SELECT string_agg(r.name, ',') FROM peer_regions pr JOIN regions r ON r.id = pr.region_id \
          WHERE pr.peer_id = p.id) AS regions FROM peers p JOIN peer_states s ON s.peer_id = p.id"
    };
}

impl NodeRow {
    fn into_node(self) -> Result<AlertNode, StoreError> {
        Ok(AlertNode {
            id: self.id,
            name: self.name,
            url: rows::url(&self.url)?,
            tags: rows::labels(self.tags),
            regions: rows::labels(self.regions),
            verdict: rows::verdict(self.verdict)?,
            since: self.since,
        })
    }
}

impl Store {
    /// Those of these nodes that are listed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn alert_nodes(&self, ids: Vec<i64>) -> Result<Vec<AlertNode>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let select = sql!("SELECT ", (node_columns), " WHERE ", (is_watched), " AND p.id ", (in 1), " ORDER BY p.id");
        let rows: Vec<NodeRow> = self.db().all(select, args![ids]).await?;
        rows.into_iter().map(NodeRow::into_node).collect()
    }

    /// The listed nodes whose verdict has changed since a time, and those of these ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn alert_nodes_changed(&self, since: Timestamp, ids: Vec<i64>) -> Result<Vec<AlertNode>, StoreError> {
        let select = sql!(
            "SELECT ",
            (node_columns),
            " WHERE ",
            (is_watched),
            " AND (s.since > $1 OR p.id ",
            (in 2),
            ") ORDER BY p.id"
        );
        let rows: Vec<NodeRow> = self.db().all(select, args![since, ids]).await?;
        rows.into_iter().map(NodeRow::into_node).collect()
    }

    /// The versions of EasyTier that listed nodes reported last, each once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn reported_versions(&self) -> Result<Vec<String>, StoreError> {
        let select = sql!(
            "SELECT DISTINCT s.version FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE s.version IS NOT NULL AND ",
            (is_watched)
        );
        let rows: Vec<(String,)> = self.db().all(select, vec![]).await?;
        Ok(rows.into_iter().map(|(version,)| version).collect())
    }

    /// The listed nodes that reported one of these versions last, and which.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn nodes_of_versions(&self, versions: Vec<String>) -> Result<Vec<(PeerId, String)>, StoreError> {
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let select = sql!(
            "SELECT p.id, s.version FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE ",
            (is_watched),
            " AND s.version ",
            (in 1),
            " ORDER BY p.id"
        );
        self.db().all(select, args![versions]).await
    }

    /// Each duty that a hub had, with the time since its last lease ended by the database's clock: zero while a hub has it, `None`
    /// where a hub gave it up.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn idle_duties(&self) -> Result<Vec<(String, Option<Duration>)>, StoreError> {
        let select = sql!("SELECT name, expires_at, ", (database_now), " FROM duties ORDER BY name");
        let rows: Vec<(String, i64, i64)> = self.db().all(select, vec![]).await?;
        let idle = |expires_at: i64, now: i64| (expires_at > 0).then(|| Timestamp(now).since(Timestamp(expires_at)));
        Ok(rows.into_iter().map(|(name, expires_at, now)| (name, idle(expires_at, now))).collect())
    }
}
