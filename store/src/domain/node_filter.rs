//! Which nodes of a list are wanted.

use std::collections::BTreeSet;

use easytier_probe::{Relay, Scheme};

use super::Tag;

/// Selects nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFilter {
    /// Only nodes that some region sees online, or only the others.
    pub is_active: Option<bool>,
    /// Only nodes with this scheme.
    pub protocol: Option<Scheme>,
    /// Only nodes with this text in their name, URL or description; the case of ASCII letters makes no difference.
    pub search: Option<String>,
    /// Only nodes with at least one of these tags; any node when it is empty.
    pub tags: BTreeSet<Tag>,
    /// Only nodes with this verdict of tests whether they relay.
    pub relay_measured: Option<Relay>,
}
