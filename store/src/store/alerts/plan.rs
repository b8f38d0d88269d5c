//! The planner of messages: what it reads, and the one transaction that writes what follows.

use crate::{
    db::{Bulk, Column, Tx, args, work},
    domain::{AlertNews, AlertPlan, NewDelivery, PlanStep, Role, Timestamp},
    error::StoreError,
    store::{
        Store,
        duties::{Duty, Lease},
        subscriptions,
    },
};

static CONDITIONS: Bulk = Bulk::new(
    "alert_conditions",
    &[("key", Column::Text), ("state", Column::Text)],
    "ON CONFLICT (key) DO UPDATE SET state = excluded.state",
);

static DELIVERIES: Bulk = Bulk::new(
    "alert_deliveries",
    &[
        ("id", Column::Text),
        ("channel_id", Column::Int),
        ("message", Column::Text),
        ("created_at", Column::Int),
        ("due_at", Column::Int),
        ("attempts", Column::Int),
        ("leased_until", Column::Int),
        ("state", Column::Text),
    ],
    "",
);

#[derive(sqlx::FromRow)]
struct NewsRow {
    role: String,
    cursor: i64,
    planned_at: Option<Timestamp>,
    state: String,
    newest_event: i64,
    channels: i64,
    channels_at: i64,
    edits: i64,
    edited_at: i64,
}

const NEWS: &str = "SELECT p.cursor, p.planned_at, p.state, \
     (SELECT role FROM instance WHERE id = 1) AS role, \
     (SELECT coalesce(max(id), 0) FROM events) AS newest_event, \
     (SELECT count(*) FROM channels) AS channels, \
     (SELECT CAST(coalesce(sum(updated_at), 0) AS BIGINT) FROM channels) AS channels_at, \
     (SELECT count(*) FROM alert_mutes) + (SELECT count(*) FROM alert_conditions WHERE acknowledged_at IS NOT NULL) AS edits, \
     (SELECT coalesce(max(muted_at), 0) FROM alert_mutes) \
     + (SELECT coalesce(max(acknowledged_at), 0) FROM alert_conditions) AS edited_at \
     FROM alert_plan p WHERE p.id = 1";

impl Store {
    /// What the planner has to read, with at most `limit` events; `None` where it has nothing to do: another hub plans, or this
    /// instance is a dependent.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn alert_news(&self, limit: u32) -> Result<Option<AlertNews>, StoreError> {
        if self.shared.duties.hold(self.db(), &[Duty::Alerts]).await?.is_empty() {
            return Ok(None);
        }
        let row: NewsRow = self.db().one(NEWS, vec![]).await?;
        if Role::from_name(&row.role) == Some(Role::Dependent) {
            return Ok(None);
        }
        let events = match row.newest_event > row.cursor {
            true => self.events_after(row.cursor, limit).await?,
            false => Vec::new(),
        };
        Ok(Some(AlertNews {
            plan: AlertPlan { cursor: row.cursor, planned_at: row.planned_at, state: row.state },
            newest_event: row.newest_event,
            channels: (row.channels, row.channels_at),
            edits: (row.edits, row.edited_at),
            events,
        }))
    }

    /// Stores a step of the planner, all of it or nothing; `now`: when the messages are due. Messages to channels that were removed
    /// meanwhile are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::DutyLost`] when another hub plans now, [`StoreError::Overtaken`] when this step does not begin where the
    /// last one ended; otherwise when the database fails.
    pub async fn store_plan_step(&self, from: i64, step: &PlanStep, now: Timestamp) -> Result<(), StoreError> {
        let leases = &self.shared.duties.hold(self.db(), &[Duty::Alerts]).await?[..];
        if leases.is_empty() {
            return Err(StoreError::DutyLost("alerts".to_owned()));
        }
        self.db().transaction(|tx| work(self.store_step(tx, leases, from, step, now))).await
    }

    async fn store_step(
        &self,
        tx: &mut Tx,
        leases: &[Lease],
        from: i64,
        step: &PlanStep,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let plan = &step.plan;
        let update = "UPDATE alert_plan SET cursor = $2, planned_at = $3, state = $4 WHERE id = 1 AND cursor = $1";
        let parameters = args![from, plan.cursor, plan.planned_at, plan.state.as_str()];
        if tx.execute(update, parameters).await? == 0 {
            return Err(StoreError::Overtaken);
        }
        let changed = step.changed.iter().flat_map(|(key, state)| args![key.as_str(), state.as_str()]);
        CONDITIONS.execute(tx, changed.collect()).await?;
        for (keys, statement) in [(&step.ended, END), (&step.removed, REMOVE)] {
            for key in keys {
                tx.execute(statement, args![key.as_str()]).await?;
            }
        }
        let there: Vec<(i64,)> = match step.deliveries.is_empty() {
            true => Vec::new(),
            false => tx.all("SELECT id FROM channels", vec![]).await?,
        };
        let deliveries = step.deliveries.iter().filter(|delivery| there.contains(&(delivery.channel.0,)));
        let row = |NewDelivery { id, channel, message }: &NewDelivery| {
            args![id.to_string(), *channel, message.as_str(), now, now, 0_i64, 0_i64, "waiting"]
        };
        DELIVERIES.execute(tx, deliveries.flat_map(row).collect()).await?;
        subscriptions::store_step(tx, &step.visitors, now).await?;
        self.shared.duties.fence(tx, leases).await
    }
}

const END: &str = "UPDATE alert_conditions SET acknowledged_at = NULL, acknowledged_by = NULL WHERE key = $1";
const REMOVE: &str = "DELETE FROM alert_conditions WHERE key = $1";
