//! Problems with a peer to import: those of any list, and those with what only a hub keeps.

use easytier_probe::{PeerUrlError, peer_list::PeerProblem};
use easytier_uptime_store::domain::LabelError;

/// Why a peer cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not valid in any list.
    #[error(transparent)]
    Peer(#[from] PeerProblem),
    /// A tag or a region is not valid.
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl From<PeerUrlError> for Problem {
    fn from(error: PeerUrlError) -> Self {
        Self::Peer(error.into())
    }
}
