//! Approved peers for the public API.

use easytier_probe::PeerUrl;

use super::{
    Store, rings, rows,
    selected::{is_selected, wanted},
    watched::is_watched,
};
use crate::{
    db::{args, sql},
    domain::{
        Count, MeasuredRelay, Node, NodeFilter, NodeMaintenance, Page, PageRequest, PeerId, Timestamp, UsualUsage,
        WindowId, usage_percentage,
    },
    error::StoreError,
    ring::Ring,
};

/// The columns of a [`NodeRow`] and their tables.
macro_rules! node_columns {
    ($engine:ident) => {
        "p.id, p.name, p.url, p.description, p.network_secret IS NULL AND NOT p.handshake_only AS for_guests, \
         p.allow_relay, p.max_connections, p.created_at, p.updated_at, s.verdict, s.since, s.last_check_at, \
         s.response_us, s.version, s.network_count, s.held_sessions, s.quarter, s.quarter_checks, s.quarter_healthy, \
         r.verdict AS relay, r.reason AS relay_reason, r.round_trip_us AS relay_us, r.checked_at AS relay_at, \
         r.not_ok AS relay_not_ok, g.newest, g.counts, m.window_id, m.ends_at, w.title, w.title_zh, \
         (SELECT string_agg(tag, ',') FROM peer_tags WHERE peer_id = p.id) AS tags \
         FROM peers p JOIN peer_states s ON s.peer_id = p.id LEFT JOIN rings g ON g.peer_id = p.id \
         LEFT JOIN relay_verdicts r ON r.peer_id = p.id \
         LEFT JOIN maintained_peers m ON m.peer_id = p.id LEFT JOIN maintenance_windows w ON w.id = m.window_id"
    };
}

/// The condition of the public list: as [`is_selected`], of approved peers only.
macro_rules! is_listed {
    ($engine:ident) => {
        concat!(is_selected!($engine), " AND ", is_watched!($engine))
    };
}

#[derive(sqlx::FromRow)]
struct NodeRow {
    id: PeerId,
    name: String,
    url: String,
    description: String,
    for_guests: bool,
    allow_relay: bool,
    max_connections: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    verdict: i64,
    since: Timestamp,
    last_check_at: Option<Timestamp>,
    response_us: Option<i64>,
    version: Option<String>,
    network_count: Option<i64>,
    held_sessions: i64,
    quarter: i64,
    quarter_checks: i64,
    quarter_healthy: i64,
    relay: Option<String>,
    relay_reason: Option<String>,
    relay_us: Option<i64>,
    relay_at: Option<Timestamp>,
    relay_not_ok: Option<i64>,
    newest: Option<i64>,
    counts: Option<Vec<u8>>,
    window_id: Option<WindowId>,
    ends_at: Option<Timestamp>,
    title: Option<String>,
    title_zh: Option<String>,
    tags: Option<String>,
}

impl NodeRow {
    fn into_node(self, now: Timestamp) -> Result<Node, StoreError> {
        let mut ring = match (self.newest, self.counts) {
            (Some(newest), Some(counts)) => rings::decode(self.id, newest, &counts)?,
            _ => Ring::new(self.quarter),
        };
        let in_quarter = Count { checks: rows::count(self.quarter_checks), healthy: rows::count(self.quarter_healthy) };
        ring.add(self.quarter, in_quarter);
        let maintenance = match (self.window_id, self.ends_at, self.title) {
            (Some(window), Some(until), Some(title)) if until > now => {
                Some(NodeMaintenance { window, until, title, title_zh: self.title_zh })
            }
            _ => None,
        };
        Ok(Node {
            id: self.id,
            url: rows::url(&self.url)?,
            name: self.name,
            description: self.description,
            version: self.version,
            for_guests: self.for_guests,
            allow_relay: self.allow_relay,
            relay: match (rows::relay(self.relay), self.relay_at) {
                (Some(verdict), Some(checked_at)) => Some(MeasuredRelay {
                    verdict,
                    reason: self.relay_reason,
                    round_trip_us: self.relay_us,
                    checked_at,
                    not_ok: rows::count(self.relay_not_ok.unwrap_or_default()),
                }),
                _ => None,
            },
            max_connections: rows::count(self.max_connections),
            current_connections: self.network_count.map(|count| rows::count(count - self.held_sessions)),
            tags: rows::labels(self.tags),
            created_at: self.created_at,
            updated_at: self.updated_at,
            verdict: rows::verdict(self.verdict)?,
            since: self.since,
            last_check_at: self.last_check_at,
            response_us: self.response_us,
            maintenance,
            ring: ring.at(now),
        })
    }
}

impl Store {
    /// One page of the public list, in the order of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn nodes(
        &self,
        filter: &NodeFilter,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Node>, StoreError> {
        let wanted = wanted(filter);
        let count = sql!("SELECT count(*) FROM peers p WHERE ", (is_listed));
        let (total,): (i64,) = self.db().one(count, wanted.clone()).await?;
        let select = sql!("SELECT ", (node_columns), " WHERE ", (is_listed), " ORDER BY p.id LIMIT $7 OFFSET $8");
        let mut parameters = wanted;
        parameters.extend(args![page.limit(), page.offset()]);
        let rows: Vec<NodeRow> = self.db().all(select, parameters).await?;
        let items = rows.into_iter().map(|row| row.into_node(now)).collect::<Result<_, _>>()?;
        Ok(Page { items, total: rows::count(total) })
    }

    /// The load that lists show for nodes whose load was never measured.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn usual_usage(&self) -> Result<UsualUsage, StoreError> {
        let select = sql!(
            "SELECT s.network_count, s.held_sessions, p.max_connections FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE ",
            (is_watched),
            " AND s.network_count IS NOT NULL"
        );
        let rows: Vec<(i64, i64, i64)> = self.db().all(select, vec![]).await?;
        let usage = |(networks, held, maximum): (i64, i64, i64)| {
            usage_percentage(rows::count(networks - held), rows::count(maximum))
        };
        Ok(UsualUsage::of(rows.into_iter().map(usage)))
    }

    /// At most `limit` approved peers with larger ids than `after`, in the order of ids.
    pub(super) async fn approved_after(
        &self,
        after: PeerId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Node>, StoreError> {
        let select = sql!("SELECT ", (node_columns), " WHERE ", (is_watched), " AND p.id > $1 ORDER BY p.id LIMIT $2");
        let rows: Vec<NodeRow> = self.db().all(select, args![after, i64::from(limit)]).await?;
        rows.into_iter().map(|row| row.into_node(now)).collect()
    }

    /// Those of these peers that are approved, in the order of ids.
    pub(super) async fn approved_of(&self, ids: &[PeerId], now: Timestamp) -> Result<Vec<Node>, StoreError> {
        let select = sql!("SELECT ", (node_columns), " WHERE ", (is_watched), " AND p.id ", (in 1), " ORDER BY p.id");
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<NodeRow> = self.db().all(select, args![ids]).await?;
        rows.into_iter().map(|row| row.into_node(now)).collect()
    }

    /// An approved peer.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn node(&self, id: PeerId, now: Timestamp) -> Result<Node, StoreError> {
        let select = sql!("SELECT ", (node_columns), " WHERE ", (is_watched), " AND p.id = $1");
        let row: Option<NodeRow> = self.db().optional(select, args![id]).await?;
        row.ok_or(StoreError::NotFound("node"))?.into_node(now)
    }

    /// The peers with these ids that exist, approved or not, in the order of ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn nodes_by_id(&self, ids: &[PeerId], now: Timestamp) -> Result<Vec<Node>, StoreError> {
        let select = sql!(
            "SELECT ",
            (node_columns),
            " WHERE p.id ",
            (in 1),
            " ORDER BY p.id"
        );
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<NodeRow> = self.db().all(select, args![ids]).await?;
        rows.into_iter().map(|row| row.into_node(now)).collect()
    }

    /// The URL of an approved peer, for EasyTier clients.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn node_url(&self, id: PeerId) -> Result<PeerUrl, StoreError> {
        let select = sql!("SELECT p.url FROM peers p WHERE ", (is_watched), " AND p.id = $1");
        let row: Option<(String,)> = self.db().optional(select, args![id]).await?;
        rows::url(&row.ok_or(StoreError::NotFound("node"))?.0)
    }

    /// The tags of approved peers, sorted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tags(&self) -> Result<Vec<String>, StoreError> {
        let select = sql!(
            "SELECT DISTINCT t.tag FROM peer_tags t JOIN peers p ON p.id = t.peer_id WHERE ",
            (is_watched),
            " ORDER BY t.tag"
        );
        Ok(self.db().all::<(String,)>(select, vec![]).await?.into_iter().map(|(tag,)| tag).collect())
    }
}
