//! Alerts: which changes are told to whom, and how each kind of channel is spoken to. This crate has no database and no clock
//! of its own: callers give it what changed and what time it is. Only [`Sender`] reads the clock, for signatures.
//!
//! - [`Rule`] says which changes of which nodes are told, and when not.
//! - [`policy`] decides, a pure function: from what was told, what changed and what time it is, to what is told now.
//! - [`incident`] joins changes of one cause to incidents, a pure function too.
//! - `words` has the texts of messages and rules, in both languages.
//! - [`channel`] knows what each kind of channel needs and is sent, and [`Sender`] sends it.

#![warn(missing_docs)]

mod cause;
pub mod channel;
mod duty;
pub mod incident;
mod layout;
mod mailbox;
mod message;
mod outcome;
pub mod policy;
mod rule;
mod send;
mod template;
mod words;

pub use cause::{Cause, Place};
pub use channel::{Channel, ChannelError, ChannelKind, Fault, Field, Format, Guarantee};
pub use mailbox::{Mailbox, MailboxError};
pub use message::{Language, Message, NodeLine, Severity, Topic};
pub use outcome::Outcome;
pub use rule::{Change, Changes, NodeVersion, NodeVersionError, Nodes, QuietHours, QuietHoursError, Rule, RuleError};
pub use send::{SendError, SendOptions, Sender};
