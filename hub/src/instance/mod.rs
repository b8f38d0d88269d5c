//! Instances that share one configuration: one is the primary, the others hold its configuration and can take its place.
//!
//! [`run`] does what the role of an instance demands. [`election`] decides who leads, as a pure function; `watch` and
//! `candidate` apply it. [`wire`] is what instances say to each other, `client` the requests, `link` the token at the primary.

pub mod alerts;
mod candidate;
pub mod client;
pub(crate) mod convert;
pub mod election;
mod follow;
mod introduction;
mod lead;
mod link;
mod load;
mod members;
mod mirror;
mod options;
pub(crate) mod position;
mod restored;
pub(crate) mod results;
mod runtime;
mod seed;
mod status;
mod tools;
mod watch;
pub mod wire;

pub(crate) use self::introduction::{capabilities, system_info};
pub use self::{
    options::{InstanceOptions, MIN_SECRET_CHARS},
    restored::{Asked, ask_others},
    runtime::{join, run},
    seed::ConfiguredRole,
    status::{InstanceStatus, SharedStatus},
};
