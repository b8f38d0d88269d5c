//! Channels, against servers of the test's own that check what the real services check.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod answers;
mod bounds;
mod docs;
mod encryption;
mod fake;
mod identity;
mod links;
mod mail;
mod messages;
mod properties;
mod proxies;
mod secrets;
mod services;
mod settings;
mod signatures;
mod texts;
mod webhook;
