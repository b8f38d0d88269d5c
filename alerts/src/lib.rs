//! Alerts: which changes are told to whom, and how each kind of channel is spoken to. This crate has no database and no clock
//! of its own: callers give it what changed and what time it is.
//!
//! - [`Rule`] says which changes of which nodes are told, and when not.
//! - [`policy`] decides, a pure function: from what was told, what changed and what time it is, to what is told now.
//! - `words` has the texts of messages and rules, in both languages.

#![warn(missing_docs)]

mod message;
mod outcome;
pub mod policy;
mod rule;
mod words;

pub use self::{
    message::{Language, Message, NodeLine, Severity, Topic},
    outcome::Outcome,
    rule::{Change, Nodes, QuietHours, QuietHoursError, Rule, RuleError},
};
