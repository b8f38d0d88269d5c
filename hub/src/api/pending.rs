//! Submissions as nodes.

use easytier_uptime_store::domain::{Node, PeerId, Submission};

use crate::service::NodeId;

/// The node of a submission, with the negative id that it has until it is approved.
pub fn unchecked(submission: &Submission) -> Node {
    Node::unchecked(PeerId(NodeId::Pending(submission.id).into()), &submission.spec, submission.created_at)
}
