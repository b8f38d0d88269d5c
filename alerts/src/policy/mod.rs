//! Decides what is told: from what is known and was told, what changed and what time it is, to what is told now. Pure: the caller
//! stores the [`State`] and the [`Draft`]s in one transaction, and so nothing is told twice.
//!
//! - A [`Condition`] is what one rule knows about one node or probe. It stays while something is wrong, was told, or flaps.
//! - Changes move conditions at once. What follows is told later: when it has lasted as long as the rule says, when what happens
//!   with it has been gathered, and when nothing holds it up (quiet hours, a mute, the hub's own trouble).
//! - What is over by then is not told. Only who was told that something is wrong is told that it is well again.
//! - After a time in which the hub did not look, such as a restart or an outage of its database, nothing is told until what it
//!   knows is current again; then, what differs from what was told.

mod compose;
mod condition;
mod facts;
mod flush;
mod levels;
mod pace;
mod preview;
mod step;
mod subject;
#[cfg(test)]
mod tests;

pub use self::{
    compose::Draft,
    condition::{Condition, Told, Trouble},
    facts::{Counts, Facts, Fresh, Levels, NodeFacts, ProbeFacts, Recipient, Seen, cannot_know},
    flush::Rhythm,
    preview::{Previewed, preview},
    step::{State, Step, step},
    subject::{Key, Subject, SubjectError},
};
pub use crate::duty::Duty;
