//! The id of a node in the paths of the operator.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::service::NodeId;

/// The id of a node in a path of the operator's API and pages.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EntryPath {
    /// The node's id; negative for a node that waits for approval.
    #[param(value_type = i64)]
    pub id: NodeId,
}
