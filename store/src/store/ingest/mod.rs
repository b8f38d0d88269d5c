//! Results, from the moment they arrive until they are counted.
//!
//! `queue` gathers what arrives together, `judge` decides what is taken, `commit` stores a gathered group in one
//! transaction, `known` tells it which peers there are, `counts` is its part that counts.

mod commit;
mod counts;
mod judge;
mod known;
mod queue;

pub(super) use counts::settle;
pub(super) use known::KnownPeers;
pub(super) use queue::Queue;
