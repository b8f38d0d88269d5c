//! The hub keeps every acknowledged result exactly once, even if it is killed or loses its database.
//!
//! Senders post results continuously, as probes do, and repeat those that were not acknowledged. Meanwhile hubs are killed and
//! databases cut off. A witness compares the results that were sent, acknowledged, stored and counted.
//!
//! kill -9 tests the death of the process: a transaction that was not committed is lost; one that was acknowledged is in the
//! log of the database, which the next start reads. It does not test a loss of power, for which SQLite's
//! `synchronous=FULL` and PostgreSQL's `fsync` are responsible.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../../store/tests/support/postgres.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod postgres;
#[path = "../support/hub.rs"]
mod support;

mod alerts;
mod cut;
mod database;
mod killed;
mod ledger;
mod pair;
mod scene;
mod sender;
mod stopped;
mod upgrade;
mod wire;
mod witness;
