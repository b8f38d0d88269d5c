//! Nodes that strangers submitted and that wait for approval.

use super::{PeerId, PeerSpec, SubmissionId, Timestamp};

/// A node that waits for approval. It is no peer: nobody checks it, and it has no peer id.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Its place in the queue.
    pub id: SubmissionId,
    /// Its description.
    pub spec: PeerSpec,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it was last changed; 0 if it never was, as far as is known.
    pub updated_at: Timestamp,
    /// What else has its URL and network: peers first, then submissions; a few of them, if there are many.
    pub duplicates: Vec<Duplicate>,
}

/// A peer or a submission with the URL and network of a [`Submission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicate {
    /// A peer, approved or not.
    Peer(PeerId),
    /// Another submission.
    Submission(SubmissionId),
}
