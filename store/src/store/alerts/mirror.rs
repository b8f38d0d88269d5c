//! What is wrong and muted at the primary, as an instance that mirrors it keeps it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    db::{Bulk, Column, Tx, args, sql, work},
    domain::{AlertCondition, MirroredAlerts, Role, Timestamp},
    error::StoreError,
    store::{Store, rows::without_nul},
};

static CONDITIONS: Bulk = Bulk::new(
    "alert_conditions",
    &[
        ("key", Column::Text),
        ("state", Column::Text),
        ("acknowledged_by", Column::Text),
        ("acknowledged_at", Column::Int),
    ],
    "ON CONFLICT (key) DO UPDATE SET state = excluded.state, acknowledged_by = excluded.acknowledged_by, \
     acknowledged_at = excluded.acknowledged_at",
);

static MUTES: Bulk = Bulk::new(
    "alert_mutes",
    &[("scope", Column::Text), ("until", Column::Int), ("muted_by", Column::Text), ("muted_at", Column::Int)],
    "",
);

impl Store {
    /// When the planner last looked; `None` until it has.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn alerts_planned_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let (at,): (Option<Timestamp>,) =
            self.db().one("SELECT planned_at FROM alert_plan WHERE id = 1", vec![]).await?;
        Ok(at)
    }

    /// Takes what is wrong and muted at the primary in the place of what is here, and goes on from the newest event. An instance that
    /// is no dependent any more keeps what it has.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirror_alerts(&self, alerts: &MirroredAlerts) -> Result<(), StoreError> {
        self.db().transaction(|tx| work(mirror(tx, alerts))).await
    }
}

async fn mirror(tx: &mut Tx, alerts: &MirroredAlerts) -> Result<(), StoreError> {
    let role = sql!("SELECT role FROM instance WHERE id = 1", ["" | " FOR SHARE"]);
    let (role,): (String,) = tx.one(role, vec![]).await?;
    if Role::from_name(&role) != Some(Role::Dependent) {
        return Ok(());
    }
    mirror_conditions(tx, &alerts.conditions).await?;
    mirror_mutes(tx, alerts).await?;
    let update = "UPDATE alert_plan SET planned_at = $1, state = $2, \
                  cursor = (SELECT coalesce(max(id), 0) FROM events) WHERE id = 1";
    tx.execute(update, args![alerts.planned_at, alerts.state.as_str()]).await.map(drop)
}

async fn mirror_conditions(tx: &mut Tx, conditions: &[AlertCondition]) -> Result<(), StoreError> {
    type Row = (String, String, Option<String>, Option<Timestamp>);
    let select = "SELECT key, state, acknowledged_by, acknowledged_at FROM alert_conditions ORDER BY key";
    let known: BTreeSet<Row> = tx.all(select, vec![]).await?.into_iter().collect();
    let row = |one: &AlertCondition| {
        let (by, at) = one.acknowledged.clone().unzip();
        (one.key.clone(), (one.state.clone(), by, at))
    };
    // The last one of a key, because a statement may change a row once.
    let wanted: BTreeMap<_, _> = conditions.iter().map(row).collect();
    for (key, ..) in known.iter().filter(|(key, ..)| !wanted.contains_key(key)) {
        tx.execute("DELETE FROM alert_conditions WHERE key = $1", args![key.as_str()]).await?;
    }
    let wanted = wanted.into_iter().map(|(key, (state, by, at))| (key, state, by, at));
    let changed = wanted.filter(|row| !known.contains(row));
    CONDITIONS.execute(tx, changed.flat_map(|(key, state, by, at)| args![key, state, by, at]).collect()).await.map(drop)
}

async fn mirror_mutes(tx: &mut Tx, alerts: &MirroredAlerts) -> Result<(), StoreError> {
    type Row = (String, Timestamp, String, Timestamp);
    let select = "SELECT scope, until, muted_by, muted_at FROM alert_mutes ORDER BY id";
    let known: BTreeSet<Row> = tx.all(select, vec![]).await?.into_iter().collect();
    let mutes = alerts.mutes.iter().map(|one| (without_nul(&one.scope), one.until, one.muted_by.clone(), one.muted_at));
    let wanted: BTreeSet<Row> = mutes.collect();
    if known == wanted {
        return Ok(());
    }
    tx.execute("DELETE FROM alert_mutes", vec![]).await?;
    let rows = wanted.into_iter().flat_map(|(scope, until, by, at)| args![scope, until, by, at]);
    MUTES.execute(tx, rows.collect()).await.map(drop)
}
