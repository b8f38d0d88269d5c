//! Instances that share one configuration: one is the primary, the others hold its configuration and can take its place.
//!
//! [`election`] decides when, as a pure function; [`wire`] is what instances say to each other.

pub mod election;
pub mod wire;
