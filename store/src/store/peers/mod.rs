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
    add::add,
    change::{Change, apply_to_states},
    identity::Identity,
    listing::checked_from_region,
    operator::{delete_one, edit, edit_seen, is_set_aside, set_approved},
    row::{SECRET_PLACE, SpecRow, spec_columns},
    settle::settle,
    write::{columns_of, delete, insert, insert_new, insert_states, is_listed, replace_labels, update},
};
