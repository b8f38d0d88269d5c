//! All nodes, in memory: what visitors read, so that they do not read the database.
//!
//! A [`Board`] looks at the database once a second and makes a new [`Snapshot`] when a verdict or the list of nodes changed,
//! and every 15 seconds for new figures. Snapshots are immutable and share what did not change. While the database does not
//! answer, the last snapshot is served, and says since when it is out of date.

mod chronicle;
mod documents;
mod keeper;
mod past;
mod refresh;
mod seats;
mod serving;
mod shared_reads;
mod snapshot;
mod standing;

pub use self::{
    chronicle::{Chronicle, NodeNews},
    documents::Key,
    keeper::Board,
    past::Past,
    refresh::Freshness,
    seats::Seat,
    shared_reads::SharedReads,
    snapshot::{Entry, Probes, Sight, Snapshot, Sort},
    standing::Standing,
};
