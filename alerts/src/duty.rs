//! Work of hubs, of which may be told that none does it.

/// Work that one hub does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Duty {
    /// Evaluating results.
    Fold,
    /// Tracking probes.
    Presence,
    /// Deleting expired data.
    Retention,
    /// Communicating with the other instances.
    Instance,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fold, Self::Presence, Self::Retention, Self::Instance];

    /// The name.
    pub fn as_str(self) -> &'static str {
        ["fold", "presence", "retention", "instance"][self as usize]
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.as_str() == name)
    }
}
