//! From a peer's URL to the addresses to connect to, and which of them are allowed.
//!
//! A URL of a transport scheme stands for the addresses of its host. An http, https, txt or srv URL yields such URLs
//! first, once. A stranger may control these, so the address policy applies even if a local user named the peer.

mod dns;
mod interleave;
mod node_url;
mod permitted;
mod quote;
mod records;
mod resolver;
mod web;

pub use self::{
    node_url::MAX_YIELDED_URLS,
    resolver::{MAX_TARGETS, Resolver, Target},
};
