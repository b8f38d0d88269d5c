//! What is wrong now, and what people say about it: acknowledging, muting.

use std::time::Duration;

use easytier_uptime_alerts::policy::{Condition, Key, Subject, Trouble};
use easytier_uptime_store::domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Alerts;
use crate::service::{FieldError, FieldProblem, ServiceError};

/// The longest time for which something is muted.
pub const MAX_MUTE: Duration = Duration::from_secs(366 * 24 * 3600);

/// Something that is wrong and was told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConditionView {
    /// The rule and the subject, by which it is acknowledged.
    pub key: String,
    /// The node, the probe or the hub: `node:ID`, `probe:ID` or `hub`.
    #[schema(value_type = String)]
    pub subject: Subject,
    /// The id of the rule.
    pub rule: Uuid,
    /// What is wrong.
    #[schema(value_type = String)]
    pub trouble: Option<Trouble>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Whether it goes up and down.
    pub is_flapping: bool,
    /// Whether it was told.
    pub is_told: bool,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
}

/// Something that nothing is told about until a time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MuteView {
    /// The id with which it can be ended.
    pub id: i64,
    /// `all`, `rule:ID`, `node:ID`, `probe:ID`, `hub`, or the key of a condition.
    pub scope: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Who muted it.
    pub muted_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub muted_at: Timestamp,
}

impl Alerts {
    /// What is wrong now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn conditions(&self) -> Result<Vec<ConditionView>, ServiceError> {
        let stored = self.store.alert_conditions().await?;
        let view = |one: easytier_uptime_store::domain::AlertCondition| {
            let (key, condition): (Key, Condition) = (one.key.parse().ok()?, serde_json::from_str(&one.state).ok()?);
            let (by, at) = one.acknowledged.unzip();
            let is_open = condition.trouble.is_some() || condition.flaps;
            is_open.then_some(ConditionView {
                key: one.key,
                subject: key.subject,
                rule: key.rule,
                trouble: condition.trouble,
                since: Timestamp(condition.since),
                is_flapping: condition.flaps,
                is_told: condition.told.is_some() || condition.told_flapping,
                acknowledged_by: by,
                acknowledged_at: at,
            })
        };
        Ok(stored.into_iter().filter_map(view).collect())
    }

    /// Acknowledges a condition: nothing reminds of it any more, until it ends.
    ///
    /// # Errors
    ///
    /// When there is none, or the database fails.
    pub async fn acknowledge(&self, key: &str, by: &str) -> Result<(), ServiceError> {
        Ok(self.store.acknowledge_condition(key, by, Timestamp::now()).await?)
    }

    /// What is muted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mutes(&self) -> Result<Vec<MuteView>, ServiceError> {
        let mutes = self.store.alert_mutes(Timestamp::now()).await?;
        let view = |one: easytier_uptime_store::domain::AlertMute| MuteView {
            id: one.id,
            scope: one.scope,
            until: one.until,
            muted_by: one.muted_by,
            muted_at: one.muted_at,
        };
        Ok(mutes.into_iter().map(view).collect())
    }

    /// Tells nothing about a rule, a node, a probe, the hub or a condition for a while. What still holds at the end is told then.
    ///
    /// # Errors
    ///
    /// When it is none of these, the time is longer than a year, or the database fails.
    pub async fn mute(&self, scope: &str, length: Duration, by: &str) -> Result<i64, ServiceError> {
        let is_rule = scope.strip_prefix("rule:").is_some_and(|id| id.parse::<Uuid>().is_ok());
        let is_known = scope == "all" || is_rule || scope.parse::<Subject>().is_ok() || scope.parse::<Key>().is_ok();
        if !is_known {
            let why = "write all, rule:ID, node:ID, probe:ID, hub, or the key of a condition";
            return Err(FieldError::new("scope", FieldProblem::Malformed(why.to_owned())).into());
        }
        if length > MAX_MUTE {
            return Err(FieldError::new("seconds", FieldProblem::TooLarge { max: MAX_MUTE.as_secs() as u32 }).into());
        }
        let now = Timestamp::now();
        Ok(self.store.mute(scope, now + length, by, now).await?)
    }

    /// Ends a mute before its time.
    ///
    /// # Errors
    ///
    /// When there is none, or the database fails.
    pub async fn unmute(&self, id: i64) -> Result<(), ServiceError> {
        Ok(self.store.unmute(id).await?)
    }
}
