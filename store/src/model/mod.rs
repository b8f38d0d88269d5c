//! What goes into the store and comes out of it. A value that exists is valid.

mod credential;
mod event;
mod history;
mod ids;
mod ingest;
mod label;
mod node;
mod overview;
mod page;
mod peer;
mod probe;

pub use credential::{Caller, Credential, Issued, ProbeIdentity};
pub use event::{Event, EventKind};
pub use history::{Grain, HealthRecord, LatestResult, NodeStats, RecordFilter, RegionReport, RegionStats, RollupPoint};
pub use ids::{CredentialId, PeerId, ProbeId, RegionId};
pub use ingest::{Batch, Receipt, Rejected, Rejection};
pub use label::{LabelError, Region, Tag};
pub use node::{Node, NodeFilter};
pub use overview::{FailureCount, NodeView, Pulse, RegionView, SeriesPoint};
pub use page::{Page, PageRequest};
pub use peer::{
    Claim, ClaimedPeers, Contacts, Imported, PeerFilter, PeerRecord, PeerScope, PeerSpec, ProbePeer, ProbePeers,
};
pub use probe::{Counters, Presence, Probe, Registration, StatusReport};
