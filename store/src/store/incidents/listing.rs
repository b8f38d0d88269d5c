//! Incidents as people see them. Nodes that are not listed do not exist here, and neither do incidents of such nodes alone.

use std::collections::BTreeMap;

use crate::{
    db::{args, sql},
    domain::{Incident, IncidentEntry, IncidentFilter, IncidentId, IncidentNode, Page, PageRequest, PeerId, Timestamp},
    error::StoreError,
    store::{Store, rows, watched::is_watched},
};

/// How many nodes of an incident are listed at most.
const LISTED: i64 = 50;

/// How many entries of a timeline are listed at most: more than there are.
const ENTRIES: i64 = 1000;

/// The condition that somebody may see the incident `i`.
macro_rules! is_visible {
    ($engine:ident) => {
        concat!(
            "EXISTS (SELECT 1 FROM incident_nodes n JOIN peers p ON p.id = n.peer_id WHERE n.incident_id = i.id AND ",
            is_watched!($engine),
            ")"
        )
    };
}

/// The condition of an [`IncidentFilter`]: `$1` whether it is open, `$2` a node.
macro_rules! matches_filter {
    ($engine:ident) => {
        concat!(
            is_visible!($engine),
            " AND ($1 IS NULL OR (i.closed_at IS NULL) = $1) AND ($2 IS NULL OR EXISTS \
             (SELECT 1 FROM incident_nodes o WHERE o.incident_id = i.id AND o.peer_id = $2))"
        )
    };
}

macro_rules! incident_columns {
    ($engine:ident) => {
        "i.id, i.opened_at, i.well_at, i.closed_at, i.cause, i.changes, i.english, i.chinese, i.updated_at FROM incidents i"
    };
}

#[derive(sqlx::FromRow)]
struct IncidentRow {
    id: IncidentId,
    opened_at: Timestamp,
    well_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    cause: Option<String>,
    changes: i64,
    english: Option<String>,
    chinese: Option<String>,
    updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct NodeRow {
    incident_id: IncidentId,
    peer_id: PeerId,
    name: String,
    verdict: String,
    since: Timestamp,
    count: i64,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    id: i64,
    at: Timestamp,
    kind: String,
    detail: String,
    english: Option<String>,
    chinese: Option<String>,
}

impl Store {
    /// Grows whenever an incident changes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn incident_revision(&self) -> Result<i64, StoreError> {
        let select = "SELECT revision FROM incident_plan WHERE id = 1";
        self.db().one::<(i64,)>(select, vec![]).await.map(|(revision,)| revision)
    }

    /// A page of incidents, the open ones first, each part from the newest on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn incidents(&self, filter: IncidentFilter, page: PageRequest) -> Result<Page<Incident>, StoreError> {
        let wanted = args![filter.open, filter.node];
        let count = sql!("SELECT count(*) FROM incidents i WHERE ", (matches_filter));
        let (total,): (i64,) = self.db().one(count, wanted.clone()).await?;
        let select = sql!(
            "SELECT ",
            (incident_columns),
            " WHERE ",
            (matches_filter),
            " ORDER BY i.closed_at IS NOT NULL, i.id DESC LIMIT $3 OFFSET $4"
        );
        let mut parameters = wanted;
        parameters.extend(args![page.limit(), page.offset()]);
        let rows: Vec<IncidentRow> = self.db().all(select, parameters).await?;
        Ok(Page { items: self.with_nodes(rows).await?, total: rows::count(total) })
    }

    /// An incident and its timeline, the oldest entry first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id, or none of its nodes is listed; otherwise when the database fails.
    pub async fn incident(&self, id: IncidentId) -> Result<(Incident, Vec<IncidentEntry>), StoreError> {
        let select = sql!("SELECT ", (incident_columns), " WHERE ", (is_visible), " AND i.id = $1");
        let row: Option<IncidentRow> = self.db().optional(select, args![id]).await?;
        let mut incidents = self.with_nodes(row.into_iter().collect()).await?;
        let incident = incidents.pop().ok_or(StoreError::NotFound("incident"))?;
        let select = "SELECT id, at, kind, detail, english, chinese FROM incident_entries WHERE incident_id = $1 \
                      ORDER BY at, id LIMIT $2";
        let entries: Vec<EntryRow> = self.db().all(select, args![id, ENTRIES]).await?;
        let select = sql!(
            "SELECT n.entry_id, p.id, p.name FROM incident_entries e JOIN incident_entry_nodes n ON n.entry_id = e.id \
             JOIN peers p ON p.id = n.peer_id WHERE e.incident_id = $1 AND ",
            (is_watched),
            " ORDER BY n.entry_id, p.id"
        );
        let named: Vec<(i64, PeerId, String)> = self.db().all(select, args![id]).await?;
        let mut nodes: BTreeMap<i64, Vec<(PeerId, String)>> = BTreeMap::new();
        for (entry, peer, name) in named {
            nodes.entry(entry).or_default().push((peer, name));
        }
        let entry = |row: EntryRow| {
            let EntryRow { id, at, kind, detail, english, chinese } = row;
            let nodes = nodes.remove(&id).unwrap_or_default();
            IncidentEntry { id, at, kind, detail, english, chinese, nodes }
        };
        Ok((incident, entries.into_iter().map(entry).collect()))
    }

    async fn with_nodes(&self, incidents: Vec<IncidentRow>) -> Result<Vec<Incident>, StoreError> {
        if incidents.is_empty() {
            return Ok(Vec::new());
        }
        let select = sql!(
            "SELECT incident_id, peer_id, name, verdict, since, count FROM (SELECT n.incident_id, n.peer_id, p.name, \
             n.verdict, n.since, count(*) OVER (PARTITION BY n.incident_id) AS count, \
             row_number() OVER (PARTITION BY n.incident_id ORDER BY n.peer_id) AS place \
             FROM incident_nodes n JOIN peers p ON p.id = n.peer_id WHERE ",
            (is_watched),
            " AND n.incident_id ",
            (in 1),
            ") numbered WHERE place <= $2 ORDER BY incident_id, peer_id"
        );
        let ids: Vec<i64> = incidents.iter().map(|row| row.id.0).collect();
        let rows: Vec<NodeRow> = self.db().all(select, args![ids, LISTED]).await?;
        let mut nodes: BTreeMap<IncidentId, (i64, Vec<IncidentNode>)> = BTreeMap::new();
        for NodeRow { incident_id, peer_id, name, verdict, since, count } in rows {
            let of = nodes.entry(incident_id).or_default();
            of.0 = count;
            of.1.push(IncidentNode { id: peer_id, name, verdict, since });
        }
        let incident = |row: IncidentRow| {
            let IncidentRow { id, opened_at, well_at, closed_at, cause, changes, english, chinese, updated_at } = row;
            let (count, nodes) = nodes.remove(&id).unwrap_or_default();
            let (changes, node_count) = (rows::count(changes), rows::count(count));
            Incident {
                id,
                opened_at,
                well_at,
                closed_at,
                cause,
                changes,
                english,
                chinese,
                updated_at,
                nodes,
                node_count,
            }
        };
        Ok(incidents.into_iter().map(incident).collect())
    }
}
