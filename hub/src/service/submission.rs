//! Submissions: nodes that anybody may propose.

use std::{net::IpAddr, sync::Arc, time::Duration};

use easytier_uptime_store::{
    Store,
    domain::{Contacts, PeerId, PeerSpec, Timestamp},
};

use super::{FieldError, FieldProblem, NodeFields, ServiceError, limit::Limit};

const PER_HOUR: Duration = Duration::from_secs(3600);

/// Submissions of nodes, limited per caller.
#[derive(Clone)]
pub struct Submissions {
    store: Store,
    limit: Arc<Limit>,
}

impl Submissions {
    /// Submissions to `store`.
    pub fn new(store: Store) -> Self {
        Self { store, limit: Arc::new(Limit::new(PER_HOUR, 20, 1000)) }
    }

    /// Puts a node of these `fields` into the approval queue. `from`: the caller's address.
    ///
    /// # Errors
    ///
    /// When a field is not valid, the node has no name or no contact, the caller asked too often, the node is listed
    /// already, or the database fails.
    pub async fn submit(&self, from: IpAddr, fields: NodeFields) -> Result<PeerId, ServiceError> {
        let spec = spec(fields)?;
        self.limit.check(from)?;
        Ok(self.store.submit_peer(&spec, Timestamp::now()).await?)
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
