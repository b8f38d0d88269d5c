//! Alerts: which changes are told to whom, and how each kind of channel is spoken to. This crate has no database and no clock
//! of its own: callers give it what changed and what time it is.

mod message;

pub use message::{Language, Message, NodeLine, Severity, Topic};
