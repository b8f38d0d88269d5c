//! What people say about conditions: who acknowledged one, and what is muted.

use crate::{
    db::{args, sql, work},
    domain::{AlertCondition, AlertMute, AuditObject, AuditVerb, Timestamp},
    error::StoreError,
    store::{
        Store,
        audit::{self, Change},
        rows::without_nul,
    },
};

#[derive(sqlx::FromRow)]
struct ConditionRow {
    key: String,
    state: String,
    acknowledged_at: Option<Timestamp>,
    acknowledged_by: Option<String>,
}

#[derive(sqlx::FromRow)]
struct MuteRow {
    id: i64,
    scope: String,
    until: Timestamp,
    muted_by: String,
    muted_at: Timestamp,
}

impl Store {
    /// All conditions.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn alert_conditions(&self) -> Result<Vec<AlertCondition>, StoreError> {
        let select = "SELECT key, state, acknowledged_at, acknowledged_by FROM alert_conditions ORDER BY key";
        let rows: Vec<ConditionRow> = self.db().all(select, vec![]).await?;
        let condition = |row: ConditionRow| AlertCondition {
            key: row.key,
            state: row.state,
            acknowledged: row.acknowledged_by.zip(row.acknowledged_at),
        };
        Ok(rows.into_iter().map(condition).collect())
    }

    /// Acknowledges a condition: nothing reminds of it any more, until it ends.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none; otherwise when the database fails.
    pub async fn acknowledge_condition(&self, key: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE alert_conditions SET acknowledged_at = $2, acknowledged_by = $3 WHERE key = $1";
        let change = Change::of(AuditObject::Alert, AuditVerb::Acknowledge).named(key);
        audit::change_one(self.db(), update, args![key, now, without_nul(by)], "condition", change).await
    }

    /// Acknowledges those of these conditions that nobody has acknowledged; the others stay as they are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn acknowledge_conditions(&self, keys: &[String], by: &str, now: Timestamp) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE alert_conditions SET acknowledged_at = $2, acknowledged_by = $3 WHERE acknowledged_at IS NULL AND key ",
            (in 1)
        );
        let parameters = &args![keys.to_vec(), now, without_nul(by)];
        self.db()
            .transaction(|tx| {
                work(async move {
                    match tx.execute(update, parameters.clone()).await? {
                        0 => Ok(()),
                        _ => {
                            let change = Change::of(AuditObject::Alert, AuditVerb::Acknowledge).named(keys.join(", "));
                            audit::note(tx, change).await
                        }
                    }
                })
            })
            .await
    }

    /// What is muted at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn alert_mutes(&self, now: Timestamp) -> Result<Vec<AlertMute>, StoreError> {
        let select = "SELECT id, scope, until, muted_by, muted_at FROM alert_mutes WHERE until > $1 ORDER BY id";
        let rows: Vec<MuteRow> = self.db().all(select, args![now]).await?;
        let mute =
            |MuteRow { id, scope, until, muted_by, muted_at }| AlertMute { id, scope, until, muted_by, muted_at };
        Ok(rows.into_iter().map(mute).collect())
    }

    /// Mutes a rule, a subject, or everything (`all`), until a time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mute(&self, scope: &str, until: Timestamp, by: &str, now: Timestamp) -> Result<i64, StoreError> {
        let insert = "INSERT INTO alert_mutes (scope, until, muted_by, muted_at) VALUES ($1, $2, $3, $4) RETURNING id";
        let parameters = &args![without_nul(scope), until, without_nul(by), now];
        self.db()
            .transaction(|tx| {
                work(async move {
                    let (id,): (i64,) = tx.one(insert, parameters.clone()).await?;
                    let muted = Change::of(AuditObject::Mute, AuditVerb::Add).id(id).named(scope);
                    audit::note(tx, muted.detail(format!("until {until}"))).await?;
                    Ok(id)
                })
            })
            .await
    }

    /// Ends a mute before its time.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none; otherwise when the database fails.
    pub async fn unmute(&self, id: i64) -> Result<(), StoreError> {
        let change = Change::of(AuditObject::Mute, AuditVerb::End).id(id);
        audit::change_one(self.db(), "DELETE FROM alert_mutes WHERE id = $1", args![id], "mute", change).await
    }
}
