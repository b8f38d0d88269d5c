//! The amount of work in a measurement.

use std::time::Duration;

/// The sizes of all figures.
#[derive(Clone)]
pub struct Size {
    /// The number of turns of the hub and of the bare inserts.
    pub turns: usize,
    /// The number of batches in a turn.
    pub batches: usize,
    /// How many seconds of a steady load are measured.
    pub seconds: u64,
    /// How many times each list is requested.
    pub lists: usize,
    /// The number of peers of a large hub.
    pub many_peers: usize,
    /// The history that a hub keeps in rollups of five minutes, in hours.
    pub hours: u64,
    /// How long visitors read in one turn.
    pub reading: Duration,
    /// How long results come in without open pages, and beside them.
    pub alone: Duration,
    pub with_pages: Duration,
    /// The number of peers of a large installation, how long its results come in, and how long a hub is stopped.
    pub scale_peers: usize,
    pub scale: Duration,
    pub stopped: Duration,
}

impl Size {
    pub const FULL: Self = Self {
        turns: 9,
        batches: 96,
        seconds: 60,
        lists: 101,
        many_peers: 10_000,
        hours: 48,
        reading: Duration::from_secs(5),
        alone: Duration::from_secs(30),
        with_pages: Duration::from_secs(90),
        scale_peers: 100_000,
        scale: Duration::from_secs(600),
        stopped: Duration::from_secs(60),
    };
    /// A short run that only shows that the bench works; its figures are not representative.
    pub const QUICK: Self = Self {
        turns: 2,
        batches: 32,
        seconds: 5,
        lists: 11,
        many_peers: 10_000,
        hours: 2,
        reading: Duration::from_secs(2),
        alone: Duration::from_secs(10),
        with_pages: Duration::from_secs(40),
        scale_peers: 6000,
        scale: Duration::from_secs(20),
        stopped: Duration::from_secs(15),
    };
}
