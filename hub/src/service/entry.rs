//! The nodes that the operator sees: the peers, and the submissions that wait for approval.

use std::fmt;

use easytier_probe::{Origin, Peer};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{
        ConfigVersion, Duplicate, Page, PageRequest, PeerFilter, PeerId, PeerRecord, PeerSpec, ProbePeer, Slice,
        Submission, SubmissionId, Timestamp, Verdict,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a node in the operator's lists: that of a peer, or, as a negative number, that of a submission, which has no
/// id as a peer before it is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeId {
    /// Waits for approval.
    Pending(SubmissionId),
    /// Is a peer, listed or not.
    Peer(PeerId),
}

impl From<i64> for NodeId {
    fn from(number: i64) -> Self {
        match number {
            ..0 => Self::Pending(SubmissionId(number.saturating_neg())),
            0.. => Self::Peer(PeerId(number)),
        }
    }
}

impl From<NodeId> for i64 {
    fn from(id: NodeId) -> Self {
        match id {
            NodeId::Pending(SubmissionId(id)) => id.saturating_neg(),
            NodeId::Peer(PeerId(id)) => id,
        }
    }
}

impl From<Duplicate> for NodeId {
    fn from(duplicate: Duplicate) -> Self {
        match duplicate {
            Duplicate::Peer(id) => Self::Peer(id),
            Duplicate::Submission(id) => Self::Pending(id),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        i64::from(*self).fmt(f)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64((*self).into())
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self::from)
    }
}

/// A node with everything that the operator may see.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Waits for approval.
    Pending(Submission),
    /// Is a peer, listed or not.
    Peer(PeerRecord),
}

impl Entry {
    /// Its id.
    pub fn id(&self) -> NodeId {
        match self {
            Self::Pending(submission) => NodeId::Pending(submission.id),
            Self::Peer(record) => NodeId::Peer(record.id),
        }
    }

    /// Its description.
    pub fn spec(&self) -> &PeerSpec {
        match self {
            Self::Pending(submission) => &submission.spec,
            Self::Peer(record) => &record.spec,
        }
    }

    /// When it was added or submitted.
    pub fn created_at(&self) -> Timestamp {
        match self {
            Self::Pending(submission) => submission.created_at,
            Self::Peer(record) => record.created_at,
        }
    }

    /// When it was last changed.
    pub fn changed_at(&self) -> Timestamp {
        match self {
            Self::Pending(submission) => submission.updated_at,
            Self::Peer(record) => record.updated_at,
        }
    }

    /// The node as the probe of this hub would check it once. `origin` applies unless a stranger submitted the node.
    pub fn to_check(&self, origin: Origin) -> Peer {
        let (spec, submitted) = match self {
            Self::Pending(submission) => (submission.spec.clone(), true),
            Self::Peer(record) => (record.spec.clone(), record.submitted),
        };
        let peer = ProbePeer {
            id: PeerId(self.id().into()),
            name: spec.name,
            url: spec.url,
            network_name: spec.network_name,
            network_secret: spec.network_secret,
            mode: spec.mode,
            timeout: spec.timeout,
            allow_relay: spec.allow_relay,
            tags: spec.tags,
            submitted,
            verdict: Verdict::Unknown,
            response_us: None,
        };
        Peer { listing: None, ..peer.to_check(origin, ConfigVersion::default()) }
    }

    pub(super) async fn read(store: &Store, id: NodeId) -> Result<Self, StoreError> {
        match id {
            NodeId::Pending(id) => store.submission(id).await.map(Self::Pending),
            NodeId::Peer(id) => store.peer(id).await.map(Self::Peer),
        }
    }

    /// One page of all nodes that a filter selects: first the submissions, which are not approved, then the peers.
    pub(super) async fn page(store: &Store, filter: &PeerFilter, page: PageRequest) -> Result<Page<Self>, StoreError> {
        let slice = Slice::from(page);
        let pending = match filter.approved {
            Some(true) => Page { items: Vec::new(), total: 0 },
            None | Some(false) => store.submissions(&filter.node, filter.order, slice).await?,
        };
        let peers = store.peers(filter, slice.rest(pending.total, pending.items.len())).await?;
        let items = pending.items.into_iter().map(Self::Pending);
        Ok(Page {
            items: items.chain(peers.items.into_iter().map(Self::Peer)).collect(),
            total: pending.total + peers.total,
        })
    }
}
