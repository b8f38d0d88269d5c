//! The planner of incidents: what it reads, and the one transaction that writes what follows.

use std::collections::BTreeMap;

use crate::{
    db::{Bulk, Column, Tx, args, work},
    domain::{
        IncidentId, IncidentNews, IncidentPlan, IncidentStep, NewIncidentEntry, PeerId, PlannedIncident, PlannedNode,
        Timestamp,
    },
    error::StoreError,
    store::{
        Store,
        duties::{Duty, Lease},
        rows,
    },
};

static INCIDENTS: Bulk = Bulk::new(
    "incidents",
    &[
        ("id", Column::Int),
        ("opened_at", Column::Int),
        ("well_at", Column::Int),
        ("closed_at", Column::Int),
        ("cause", Column::Text),
        ("changes", Column::Int),
        ("state", Column::Text),
        ("updated_at", Column::Int),
    ],
    "ON CONFLICT (id) DO UPDATE SET well_at = excluded.well_at, closed_at = excluded.closed_at, cause = excluded.cause, \
     changes = excluded.changes, state = excluded.state, updated_at = excluded.updated_at",
);

static NODES: Bulk = Bulk::new(
    "incident_nodes",
    &[
        ("incident_id", Column::Int),
        ("peer_id", Column::Int),
        ("verdict", Column::Text),
        ("since", Column::Int),
        ("state", Column::Text),
    ],
    "ON CONFLICT (incident_id, peer_id) DO UPDATE SET verdict = excluded.verdict, since = excluded.since, \
     state = excluded.state",
);

static ENTRY_NODES: Bulk =
    Bulk::new("incident_entry_nodes", &[("entry_id", Column::Int), ("peer_id", Column::Int)], "ON CONFLICT DO NOTHING");

#[derive(sqlx::FromRow)]
struct NewsRow {
    step: i64,
    cursor: i64,
    last_id: i64,
    state: String,
    newest_event: i64,
    acknowledged_at: i64,
    acknowledged: i64,
}

const NEWS: &str = "SELECT p.step, p.cursor, p.last_id, p.state, \
     (SELECT coalesce(max(id), 0) FROM events) AS newest_event, \
     (SELECT coalesce(max(acknowledged_at), 0) FROM alert_conditions) AS acknowledged_at, \
     (SELECT count(*) FROM alert_conditions WHERE acknowledged_at IS NOT NULL) AS acknowledged \
     FROM incident_plan p WHERE p.id = 1";

#[derive(sqlx::FromRow)]
struct OpenRow {
    id: IncidentId,
    opened_at: Timestamp,
    well_at: Option<Timestamp>,
    cause: Option<String>,
    changes: i64,
    state: String,
}

#[derive(sqlx::FromRow)]
struct NodeRow {
    incident_id: IncidentId,
    peer_id: PeerId,
    verdict: String,
    since: Timestamp,
    state: String,
}

impl Store {
    /// What the planner of incidents has to read, with at most `limit` events; `None` where another hub plans.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn incident_news(&self, limit: u32) -> Result<Option<IncidentNews>, StoreError> {
        if self.shared.duties.hold(self.db(), &[Duty::Alerts]).await?.is_empty() {
            return Ok(None);
        }
        let row: NewsRow = self.db().one(NEWS, vec![]).await?;
        let events = match row.newest_event > row.cursor {
            true => self.events_after(row.cursor, limit).await?,
            false => Vec::new(),
        };
        let NewsRow { step, cursor, last_id, state, newest_event, acknowledged_at, acknowledged } = row;
        Ok(Some(IncidentNews {
            plan: IncidentPlan { step, cursor, last_id, state },
            newest_event,
            acknowledged: (acknowledged_at, acknowledged),
            events,
        }))
    }

    /// The open incidents with all their nodes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn open_incidents(&self) -> Result<Vec<PlannedIncident>, StoreError> {
        let select =
            "SELECT id, opened_at, well_at, cause, changes, state FROM incidents WHERE closed_at IS NULL ORDER BY id";
        let incidents: Vec<OpenRow> = self.db().all(select, vec![]).await?;
        if incidents.is_empty() {
            return Ok(Vec::new());
        }
        let select = "SELECT n.incident_id, n.peer_id, n.verdict, n.since, n.state FROM incident_nodes n \
                      JOIN incidents i ON i.id = n.incident_id WHERE i.closed_at IS NULL ORDER BY n.incident_id, n.peer_id";
        let rows: Vec<NodeRow> = self.db().all(select, vec![]).await?;
        let mut nodes: BTreeMap<IncidentId, Vec<PlannedNode>> = BTreeMap::new();
        for NodeRow { incident_id, peer_id, verdict, since, state } in rows {
            nodes.entry(incident_id).or_default().push(PlannedNode { peer: peer_id, verdict, since, state });
        }
        let incident = |row: OpenRow| PlannedIncident {
            id: row.id,
            opened_at: row.opened_at,
            well_at: row.well_at,
            closed_at: None,
            cause: row.cause,
            changes: rows::count(row.changes),
            state: row.state,
            nodes: nodes.remove(&row.id).unwrap_or_default(),
        };
        Ok(incidents.into_iter().map(incident).collect())
    }

    /// Stores a step of the planner of incidents, all of it or nothing. `from`: the step that it follows.
    ///
    /// # Errors
    ///
    /// [`StoreError::DutyLost`] when another hub plans now, [`StoreError::Overtaken`] when something was stored since the step
    /// `from`; otherwise when the database fails.
    pub async fn store_incident_step(&self, from: i64, step: &IncidentStep, now: Timestamp) -> Result<(), StoreError> {
        let leases = &self.shared.duties.hold(self.db(), &[Duty::Alerts]).await?[..];
        if leases.is_empty() {
            return Err(StoreError::DutyLost("alerts".to_owned()));
        }
        self.db().transaction(|tx| work(self.write_incidents(tx, leases, from, step, now))).await
    }

    async fn write_incidents(
        &self,
        tx: &mut Tx,
        leases: &[Lease],
        from: i64,
        step: &IncidentStep,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let IncidentStep { plan, incidents, left, entries } = step;
        let update = "UPDATE incident_plan SET step = step + 1, cursor = $2, last_id = $3, state = $4, \
                      revision = revision + $5 WHERE id = 1 AND step = $1";
        let shown = i64::from(!incidents.is_empty() || !left.is_empty() || !entries.is_empty());
        if tx.execute(update, args![from, plan.cursor, plan.last_id, plan.state.as_str(), shown]).await? == 0 {
            return Err(StoreError::Overtaken);
        }
        let row = |one: &PlannedIncident| {
            let PlannedIncident { id, opened_at, well_at, closed_at, cause, changes, state, .. } = one;
            args![*id, *opened_at, *well_at, *closed_at, cause.clone(), *changes, state.as_str(), now]
        };
        INCIDENTS.execute(tx, incidents.iter().flat_map(row).collect()).await?;
        let of = |one: &PlannedIncident, PlannedNode { peer, verdict, since, state }: &PlannedNode| {
            args![one.id, *peer, verdict.as_str(), *since, state.as_str()]
        };
        let nodes = incidents.iter().flat_map(|one| one.nodes.iter().flat_map(move |node| of(one, node)));
        NODES.execute(tx, nodes.collect()).await?;
        for (incident, peer) in left {
            let delete = "DELETE FROM incident_nodes WHERE incident_id = $1 AND peer_id = $2";
            tx.execute(delete, args![*incident, *peer]).await?;
        }
        for NewIncidentEntry { incident, at, kind, detail, nodes } in entries {
            let insert =
                "INSERT INTO incident_entries (incident_id, at, kind, detail) VALUES ($1, $2, $3, $4) RETURNING id";
            let (id,): (i64,) = tx.one(insert, args![*incident, *at, *kind, detail.as_str()]).await?;
            ENTRY_NODES.execute(tx, nodes.iter().flat_map(|peer| args![id, *peer]).collect()).await?;
        }
        self.shared.duties.fence(tx, leases).await
    }
}
