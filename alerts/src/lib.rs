//! Alerts: which changes are told to whom, and how each kind of channel is spoken to. This crate has no database and no clock
//! of its own: callers give it what changed and what time it is. Only [`Sender`] reads the clock, for signatures.

#![warn(missing_docs)]

pub mod channel;
mod layout;
mod message;
mod outcome;
mod send;
mod template;

pub use channel::{Channel, ChannelError, ChannelKind, Field, Format, Guarantee};
pub use message::{Language, Message, NodeLine, Severity, Topic};
pub use outcome::Outcome;
pub use send::{SendError, SendOptions, Sender};
