//! Files of peers: the format that an export writes, and what a list becomes that an import reads.

pub mod csv;
mod document;
mod import;
mod problem;
#[cfg(test)]
mod round_trip;

pub use self::{
    document::{Access, Document},
    import::{Placed, imported, parse},
    problem::Problem,
};
