//! Use cases of the operator: the audit log.

use easytier_uptime_store::domain::{AuditEvent, AuditFilter};

use super::{Admin, ServiceError};

/// How many events a page of the audit log has at most.
pub const AUDIT_LIMIT: u32 = 1000;

/// A page of the audit log.
#[derive(Debug)]
pub struct AuditPage {
    /// The events, the newest first.
    pub events: Vec<AuditEvent>,
    /// The value of [`AuditFilter::before`] for the next page; `None` on the last.
    pub next_before: Option<i64>,
}

impl Admin {
    /// Who changed what, and which authentications failed: at most `limit` events that a filter selects. The failures that this
    /// hub has counted until now are among them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audit(&self, filter: &AuditFilter, limit: u32) -> Result<AuditPage, ServiceError> {
        self.store.store_auth_failures().await?;
        let limit = limit.clamp(1, AUDIT_LIMIT);
        // One more than requested tells whether there is another page.
        let mut events = self.store.audit_events(filter, limit + 1).await?;
        let more = events.len() > limit as usize;
        events.truncate(limit as usize);
        let next_before = events.last().filter(|_| more).map(|event| event.id);
        Ok(AuditPage { events, next_before })
    }
}
