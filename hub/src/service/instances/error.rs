//! Refusals of requests of other instances.

use easytier_uptime_store::{Conflict, RoleConflict, StoreError, domain::Instance};

/// Why a request of another instance was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRefusal {
    /// The HTTP status.
    pub status: u16,
    /// A code for programs.
    pub code: &'static str,
    /// What happened, in words.
    pub message: String,
    /// The present epoch, when the caller named another one.
    pub epoch: Option<i64>,
}

impl SyncRefusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), epoch: None }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(
            401,
            "unauthorized",
            "SYNC_SECRET, the token of an instance, or the admin's session is missing or wrong",
        )
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "forbidden", message)
    }

    /// 404: this instance belongs to no cluster.
    pub fn standalone() -> Self {
        Self::new(404, "standalone", "this instance belongs to no cluster")
    }

    /// 409.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// 409: another instance is the primary.
    pub fn not_primary(instance: &Instance) -> Self {
        let leader = instance.leader.as_ref();
        let message = match leader.and_then(|leader| leader.url.as_deref().map(|url| (&leader.name, url))) {
            Some((name, url)) => format!("this instance is a dependent of {name}: ask {url}"),
            None => "this instance is a dependent".to_owned(),
        };
        Self::conflict("not_primary", message)
    }

    /// 409: the caller named another epoch than the present one.
    pub fn other_epoch(present: i64) -> Self {
        Self { epoch: Some(present), ..Self::conflict("other_epoch", format!("the epoch is {present}")) }
    }

    /// 404: there is no such `thing`.
    pub fn not_found(thing: &str) -> Self {
        Self::new(404, "not_found", format!("no such {thing}"))
    }

    /// 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "too_large", message)
    }
}

impl From<StoreError> for SyncRefusal {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Role(conflict) => Self::from(*conflict),
            StoreError::NotFound(thing) => Self::not_found(thing),
            StoreError::NotPrimary(_) => Self::conflict("not_primary", error.to_string()),
            StoreError::Conflict(Conflict::ImpossibleConfiguration) => Self::bad_request(error.to_string()),
            StoreError::Conflict(conflict) => Self::conflict("conflict", conflict.to_string()),
            unavailable if unavailable.is_unavailable() => {
                Self::new(503, "unavailable", "this instance cannot do that now; try again")
            }
            other => {
                tracing::error!(error = %other, "a request of another instance failed");
                Self::new(500, "internal", "this instance failed; its log says why")
            }
        }
    }
}

impl From<RoleConflict> for SyncRefusal {
    fn from(conflict: RoleConflict) -> Self {
        let code = match conflict {
            RoleConflict::WrongRole(_) => "wrong_role",
            RoleConflict::OtherCluster => "other_cluster",
            RoleConflict::EpochOver { .. } => "epoch_over",
            RoleConflict::OtherEpoch { .. } => "other_epoch",
            RoleConflict::EpochOutOfRange(_) => "epoch_out_of_range",
            RoleConflict::OtherConfig { .. } => "other_config",
            RoleConflict::OtherPrimary => "other_primary",
            _ => "conflict",
        };
        let epoch = match conflict {
            RoleConflict::EpochOver { known, .. } | RoleConflict::OtherEpoch { known, .. } => Some(known),
            _ => None,
        };
        Self { epoch, ..Self::conflict(code, conflict.to_string()) }
    }
}
