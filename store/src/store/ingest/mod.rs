//! Results, from their arrival until they are stored.
//!
//! `queue` gathers batches that arrive at the same time, `judge` validates each result, and `append` stores a group of
//! batches in one transaction. What follows from the results is the task of the fold.

mod append;
mod judge;
mod queue;

pub(super) use queue::Queue;
