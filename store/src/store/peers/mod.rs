//! Peers: the operator's list, how peers are added, and the lists for probes.

mod add;
mod change;
mod identity;
mod listing;
mod operator;
mod row;
mod settle;
mod write;

pub(super) use self::{
    listing::checked_from_region,
    row::{SpecRow, is_watched, spec_columns},
    write::{columns_of, insert, insert_new, is_listed, update},
};
