//! Results, from the moment they arrive until they are counted.
//!
//! `queue` gathers what arrives together, `judge` decides what is taken, `commit` stores a gathered group in one
//! transaction, `counts` is its part that counts.

mod commit;
mod counts;
mod judge;
mod queue;

pub(super) use queue::Queue;
