//! Results, from their arrival until they are counted.
//!
//! `queue` gathers batches that arrive at the same time, `judge` validates each result, and `commit` stores a group of
//! batches in one transaction, of which `counts` is a part.

mod accepted;
mod commit;
mod counts;
mod judge;
mod queue;

pub(super) use queue::Queue;
