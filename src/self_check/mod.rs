//! Whether many failures at once are the peers' or this probe's.
//!
//! A dead uplink looks like the end of every peer. So failures of peers that were online are held back until it is known how
//! many fail in the same round. If nearly all do, the probe asks some targets that do not depend on the peers, and its own
//! backend by default. If these do not answer either, the probe is cut off, and the failures say nothing about the peers.
//!
//! - `scope` says how far a target or a peer is away: on this machine, in a private network, or on the Internet.
//! - `target` is what is asked, and `reach` asks.
//! - `finding` says what a check says about the network.
//! - `judge` holds failures back, and decides which of them stand.

mod finding;
mod judge;
mod reach;
mod scope;
mod target;

pub use self::{
    finding::Finding,
    judge::{Checked, Doubt, Judge, Judged},
    reach::Reach,
    scope::Scope,
    target::{InvalidTarget, SelfCheckTarget},
};
