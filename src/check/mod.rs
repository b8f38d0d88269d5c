//! The check of a peer, in stages: `resolve → connect → handshake → admit → ping → route`.
//!
//! [`Checker::check`] checks a peer once; [`Checker::hold`] keeps the session open and checks the peer by pings on it.
//! Both run the same stages:
//!
//! - `limiter` gives every attempt its turn, and `clock` counts the time from then on.
//! - `checker` resolves a peer and tries its addresses, each by an `attempt`, which runs the other stages.
//! - `dial` connects, one file for each transport; `meter` counts the bytes of the packets.
//! - `session` does the handshake, plain or in secure mode, and the pings, and reads route information.
//! - `diagnosis` finds out why a node did not answer the handshake.
//! - `relay` tests whether the node relays data, with two sessions of its own.
//! - `held` keeps the session of a successful attempt; `upkeep` says when it is renewed, and `rejoin` when a peer is joined
//!   again that gives no session.

mod attempt;
mod checker;
mod clock;
mod diagnosis;
mod dial;
mod held;
mod identity;
mod limiter;
mod meter;
mod options;
mod outcome;
mod plan;
mod rejoin;
mod relay;
mod resend;
mod session;
mod span;
mod stage_failure;
mod upkeep;

pub use self::{checker::Checker, held::HeldPeer, options::CheckOptions};
