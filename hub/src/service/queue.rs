//! Decisions of the operator on many submissions at once.

use std::collections::BTreeSet;

use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{PeerId, SubmissionId, Timestamp},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Admin, FieldError, FieldProblem, NodeId, ServiceError};

/// The maximum number of submissions in one decision.
pub const MAX_DECIDED: usize = 200;

/// What to do with submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// They become listed nodes.
    Approve,
    /// They leave the queue.
    Reject,
}

/// What became of the submissions of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// Those that were approved or rejected, each with the id that an approved node has now.
    pub done: Vec<(NodeId, Option<PeerId>)>,
    /// Those that do not wait any more: somebody else decided, or another one of the same node was approved.
    pub gone: Vec<NodeId>,
    /// Those that cannot be approved, because a peer has their address and network. They go on waiting.
    pub listed: Vec<NodeId>,
}

impl Admin {
    /// Approves or rejects submissions, in the order of their ids, each in a transaction of its own. One that cannot be
    /// approved, or does not wait any more, does not stop the others.
    ///
    /// # Errors
    ///
    /// When there are none, more than [`MAX_DECIDED`], or ids of peers among them; then nothing is changed. When the database
    /// fails; then some may be decided, and the same decision can be made again.
    pub async fn decide(
        &self,
        decision: Decision,
        ids: impl IntoIterator<Item = NodeId>,
    ) -> Result<Decided, ServiceError> {
        let now = Timestamp::now();
        let mut decided = Decided::default();
        for id in submissions(ids)? {
            let node = NodeId::Pending(id);
            let outcome = match decision {
                Decision::Approve => self.store.approve_submission(id, now).await.map(Some),
                Decision::Reject => self.store.reject_submission(id).await.map(|()| None),
            };
            match outcome {
                Ok(peer) => decided.done.push((node, peer)),
                Err(StoreError::NotFound(_)) => decided.gone.push(node),
                Err(StoreError::Conflict(Conflict::PeerListed)) => decided.listed.push(node),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(decided)
    }
}

/// The ids of submissions, each once, the oldest first.
fn submissions(ids: impl IntoIterator<Item = NodeId>) -> Result<BTreeSet<SubmissionId>, FieldError> {
    let mut submissions = BTreeSet::new();
    for id in ids {
        match id {
            NodeId::Pending(id) => submissions.insert(id),
            NodeId::Peer(_) => {
                let why = "only submissions, whose ids are negative, can be approved or rejected together";
                return Err(FieldError::new("ids", FieldProblem::Malformed(why.to_owned())));
            }
        };
    }
    match submissions.len() {
        0 => Err(FieldError::new("ids", FieldProblem::Empty)),
        1..=MAX_DECIDED => Ok(submissions),
        _ => Err(FieldError::new("ids", FieldProblem::TooMany { max: MAX_DECIDED })),
    }
}
