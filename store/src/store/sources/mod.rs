//! Lists of nodes that this instance keeps following, and which peers they brought. They are no part of what instances share; the
//! peers are.

mod apply;
mod facts;
mod follow;
mod list;
mod plan;

pub(super) use self::list::URL_PLACE;
