//! From a peer's URL to the addresses to connect to, and which of them are allowed.
//!
//! A URL of a transport scheme stands for the addresses of its host. An http, https, txt or srv URL yields such URLs
//! first, or others of its own kind, which are followed. A stranger may control these, so the address policy applies even
//! if a local user named the peer.

mod chain;
mod client;
mod dns;
mod failures;
mod interleave;
mod permitted;
mod proxy_answer;
mod quote;
mod records;
mod resolver;
mod system_files;
mod web;
mod yielded;

pub use self::{
    chain::MAX_FOLLOWED,
    resolver::{DnsAnswers, MAX_TARGETS, Resolved, Resolver, Target},
    yielded::MAX_YIELDED_URLS,
};
