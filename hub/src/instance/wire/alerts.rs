//! What is wrong and muted at the primary, between instances.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that is wrong for a rule, or was told. An instance that does not know the form leaves it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenAlert {
    /// The id of the rule.
    pub rule: Uuid,
    /// What it is about: `node:UID`, `certificate:UID`, `version:UID`, `relay:UID`, `probe:NAME`, `duty:NAME` or `hub`.
    pub subject: String,
    /// What the rule knows about it.
    #[schema(value_type = Object)]
    pub state: Value,
    /// Who acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// Something of which nothing is told until a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenMute {
    /// `all`, `rule:ID`, a subject as in an open alert, or `RULE/SUBJECT`.
    pub scope: String,
    /// When it ends.
    pub until: DateTime<Utc>,
    /// Who muted it.
    pub muted_by: String,
    /// When.
    pub muted_at: DateTime<Utc>,
}
