//! Submissions: nodes that anybody may propose.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use easytier_uptime_monitor::limit::Limit;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{Contacts, Leader, PeerSpec, Submission, Timestamp},
};

use super::{FieldError, FieldProblem, NodeFields, ServiceError};

const PER_HOUR: Duration = Duration::from_secs(3600);

/// How many submissions wait for approval at most.
const MAX_PENDING: u32 = 1000;

/// When to submit again after the queue was full.
const RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Submissions of nodes, limited per caller.
#[derive(Clone)]
pub struct Submissions {
    store: Store,
    limit: Arc<Limit>,
    max_pending: u32,
    /// Whether the queue was full when somebody last submitted a node.
    is_full: Arc<AtomicBool>,
}

impl Submissions {
    /// Submissions to `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            limit: Arc::new(Limit::new(PER_HOUR, 20, 1000)),
            max_pending: MAX_PENDING,
            is_full: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Puts a node of these `fields` into the approval queue. `from`: the caller's address. The outcome is the same whether
    /// the node is listed, waits already, or is new.
    ///
    /// # Errors
    ///
    /// When a field is not valid, the node has no name or no contact, the caller asked too often, the queue is full, this
    /// instance is a dependent, or the database fails.
    pub async fn submit(&self, from: IpAddr, fields: NodeFields) -> Result<Submission, ServiceError> {
        let spec = spec(fields)?;
        self.limit.check(from)?;
        let now = Timestamp::now();
        let id = self.store.submit(&spec, self.max_pending, now).await.map_err(without_address)?;
        let was_full = self.is_full.swap(id.is_none(), Relaxed);
        let Some(id) = id else {
            if !was_full {
                tracing::warn!(
                    submissions = self.max_pending,
                    "the approval queue is full, and nobody can submit a node: approve or reject what waits at /admin"
                );
            }
            return Err(ServiceError::QueueFull { retry_after: RETRY_AFTER });
        };
        Ok(Submission { id, spec, created_at: now, updated_at: Timestamp(0), duplicates: Vec::new() })
    }
}

/// The address of the primary may be an internal one, and the caller is a stranger.
pub(super) fn without_address(error: StoreError) -> StoreError {
    match error {
        StoreError::NotPrimary(leader) => StoreError::NotPrimary(Box::new(Leader { url: None, ..*leader })),
        other => other,
    }
}

fn spec(fields: NodeFields) -> Result<PeerSpec, FieldError> {
    let fields = fields.validate()?;
    if fields.name.is_none() {
        return Err(FieldError::new("name", FieldProblem::Missing));
    }
    let spec = fields.into_spec()?;
    if spec.contacts == Contacts::default() {
        return Err(FieldError::new("mail", FieldProblem::NoContact));
    }
    Ok(spec)
}
