//! The store, one suite on both engines.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod alerts;
mod announcements;
mod audit;
mod backup;
mod certificates;
mod consensus;
mod credentials;
mod doubts;
mod duties;
mod edits;
mod exchange;
mod fold;
mod held;
mod history;
mod incidents;
mod ingest;
mod instance_tokens;
mod leases;
mod live_settings;
mod lock_order;
mod maintenance;
mod managed_probes;
mod members;
mod mirror;
mod month;
mod nodes;
mod open_servers;
mod opening;
mod outbox;
mod panics;
mod peers;
mod pooler;
mod probes;
mod pushed;
mod regions;
mod relays;
mod requested_checks;
mod restore;
mod retention;
mod roles;
mod rotation;
mod set_aside;
mod sources;
mod submissions;
mod subscriptions;
mod sync;
mod targets;
mod upgrade;
mod upkeep;
mod uptime;
