//! What API keys may do.

use std::collections::BTreeSet;

/// Something that an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// List peers without their secrets, and probes.
    Read,
    /// Change who leads a cluster, and remove instances from it.
    Instances,
    /// Have probes check nodes now.
    Checks,
    /// Manage probes.
    Nodes,
    /// Add, change, approve and delete peers.
    Peers,
    /// Read the metrics.
    Metrics,
    /// Read the audit log.
    Audit,
    /// Read and change the settings that hubs share.
    Settings,
}

impl Scope {
    const NAMES: [(Self, &'static str); 8] = [
        (Self::Read, "read"),
        (Self::Instances, "instances"),
        (Self::Checks, "checks"),
        (Self::Nodes, "nodes"),
        (Self::Peers, "peers"),
        (Self::Metrics, "metrics"),
        (Self::Audit, "audit"),
        (Self::Settings, "settings"),
    ];

    /// All scopes.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Instances,
        Self::Checks,
        Self::Nodes,
        Self::Peers,
        Self::Metrics,
        Self::Audit,
        Self::Settings,
    ];

    /// The name, in the database, on the command line and on the pages.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The scope with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// The names of scopes as they are stored.
pub(crate) fn text_of(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

/// The scopes of a stored text. Those of a newer program permit nothing here.
pub(crate) fn of_text(text: &str) -> BTreeSet<Scope> {
    text.split(',').filter_map(Scope::from_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_scopes_and_unknown_ones_permit_nothing() {
        for scopes in [vec![], vec![Scope::Read], vec![Scope::Instances], Scope::ALL.to_vec()] {
            let scopes = BTreeSet::from_iter(scopes);
            assert_eq!(of_text(&text_of(&scopes)), scopes);
        }
        assert_eq!(of_text("moon,read"), BTreeSet::from([Scope::Read]));
        assert_eq!(of_text("Read, instances"), BTreeSet::new());
    }
}
