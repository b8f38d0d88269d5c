//! How much is measured.

/// The sizes of all figures.
pub struct Size {
    /// How often the hub and the bare inserts take turns.
    pub turns: usize,
    /// Batches in a turn.
    pub batches: usize,
    /// How often each list is asked for.
    pub lists: usize,
    /// Peers of a large hub.
    pub many_peers: usize,
    /// The history that a hub keeps in rollups of five minutes, in hours.
    pub hours: u64,
}

impl Size {
    pub const FULL: Self = Self { turns: 9, batches: 96, lists: 101, many_peers: 10_000, hours: 48 };
    /// To see that all of it works; the figures are no good.
    pub const QUICK: Self = Self { turns: 2, batches: 32, lists: 11, many_peers: 10_000, hours: 2 };
}
