//! The place of this instance among others, as pages show it.

use easytier_uptime_monitor::cluster::{Place, Primary};
use easytier_uptime_store::domain::{Role, Timestamp};

/// The place of this instance in its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it does.
    pub role: Role,
    /// The role that the configuration names.
    pub configured: Role,
    /// The primary.
    pub primary: Option<Primary>,
    /// At a dependent: since when the primary does not answer.
    pub away_since: Option<Timestamp>,
    /// Whether nodes, keys and settings can be changed here.
    pub accepts_edits: bool,
}

impl Default for Standing {
    /// That of a standalone instance.
    fn default() -> Self {
        let role = Role::Standalone;
        Self { role, configured: role, primary: None, away_since: None, accepts_edits: true }
    }
}

impl From<Place> for Standing {
    fn from(place: Place) -> Self {
        let Place { role, configured, primary, unreachable_since: away_since, accepts_edits, .. } = place;
        Self { role, configured, primary, away_since, accepts_edits }
    }
}

impl Standing {
    /// The primary of this dependent; `None` at other instances.
    pub fn followed(&self) -> Option<&Primary> {
        self.primary.as_ref().filter(|_| self.role == Role::Dependent)
    }
}
