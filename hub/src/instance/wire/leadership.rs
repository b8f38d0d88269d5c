//! Who leads, and errors.

use easytier_uptime_store::domain::{ClusterId, InstanceId, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MemberStatus;

/// `GET /sync/api/failover-order`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverOrder {
    /// The highest epoch that the answering instance has seen.
    pub epoch: i64,
    /// The cluster.
    #[schema(value_type = Uuid)]
    pub cluster_id: ClusterId,
    /// The primary.
    #[schema(value_type = Option<Uuid>)]
    pub primary: Option<InstanceId>,
    /// All instances, the first to take over first.
    pub order: Vec<InOrder>,
    /// Who answers.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub instance_id: Option<InstanceId>,
    /// The instance to which the primary is handing over: it mirrors the primary's results meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub handing_over_to: Option<InstanceId>,
    /// Whether the answering instance sees the primary; missing from other programs.
    #[serde(default)]
    pub primary_reachable: Option<bool>,
    /// The role of the answering instance.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// The version of the configuration of the answering instance; missing from other programs.
    #[serde(default)]
    pub config_version: Option<i64>,
}

/// An instance in the order of failover.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InOrder {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its name.
    #[serde(default)]
    pub instance_name: String,
    /// Its place; lower comes first.
    pub failover_order: i64,
    /// The base URL at which others reach it.
    pub public_endpoint: Option<String>,
    /// Whether that URL was called back successfully.
    #[serde(default)]
    pub called_back: bool,
    /// Whether it is there.
    pub status: MemberStatus,
}

/// `POST /sync/api/promote`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promote {
    /// The epoch that the caller knows: with another one, the answer is 409 with the present one.
    pub expected_epoch: i64,
    /// Why, for the log.
    pub reason: String,
}

/// The answer to a promotion or demotion.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleChange {
    /// The instance whose role changed.
    #[schema(value_type = Uuid)]
    pub instance_id: InstanceId,
    /// Its role now.
    #[schema(value_type = String)]
    pub role: Role,
    /// The epoch now.
    pub epoch: i64,
}

/// An error.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SyncErrorBody {
    /// A code for programs, such as `other_cluster`.
    pub error: String,
    /// What happened, in words.
    pub message: String,
    /// The present epoch, when the caller named another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
}
