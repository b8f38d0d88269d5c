//! The check of a peer, in stages: `resolve → connect → handshake → admit → ping → route`.
//!
//! [`Checker::check`] checks a peer once; [`Checker::hold`] keeps the session open and checks the peer by pings on it.
//! Both run the same stages:
//!
//! - `checker` resolves a peer and tries its addresses, each by an `attempt`, which runs the other stages.
//! - `dial` connects, one file for each transport.
//! - `session` does the handshake, plain or in secure mode, and the pings, and reads route information.
//! - `diagnosis` finds out why a node did not answer the handshake.
//! - `held` keeps the session of a successful attempt.

mod attempt;
mod checker;
mod diagnosis;
mod dial;
mod held;
mod identity;
mod join_limit;
mod options;
mod outcome;
mod plan;
mod resend;
mod session;
mod stage_failure;

pub use self::{checker::Checker, held::HeldPeer, options::CheckOptions};
