//! What makes two peers the same one.

use crate::{domain::PeerSpec, store::rows::without_nul};

/// The URL and the network of a peer as they are stored. No network is the same as one without a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::store) struct Identity {
    pub url: String,
    pub network: String,
}

impl Identity {
    pub(in crate::store) fn of(spec: &PeerSpec) -> Self {
        Self { url: spec.url.full(), network: without_nul(spec.network_name.as_deref().unwrap_or_default()) }
    }
}
