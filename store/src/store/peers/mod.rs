//! Peers: the operator's list, how peers are added, and the lists for probes.

mod add;
mod listing;
mod operator;
mod row;
mod write;

pub(super) use self::{
    listing::checked_from_region,
    write::{Author, insert, update},
};
