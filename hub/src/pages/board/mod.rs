//! What the pages show of all nodes: one snapshot that every reader shares, and the events that tell open pages to
//! load a new one.

mod live;
mod snapshot;

pub use self::{
    live::{Live, events},
    snapshot::{Snapshot, Snapshots},
};
