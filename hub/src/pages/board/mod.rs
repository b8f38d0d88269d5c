//! All nodes: one snapshot that every reader shares, and the events after which open pages load a new one.

mod live;
mod snapshot;

pub use self::{
    live::{Live, events},
    snapshot::{Snapshot, Snapshots},
};
