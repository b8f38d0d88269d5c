//! What the hub acknowledged it keeps, once, whatever ends it or is taken from it.
//!
//! Senders post results as probes do, all the time, and send again what was not acknowledged; meanwhile hubs are killed
//! and databases cut off. A witness compares what was made, what was acknowledged, what is stored and what is counted.
//!
//! kill -9 shows what the death of the process leaves: a transaction that was not committed is gone, one that was
//! acknowledged is in the log of the database, which the kernel has and the next start reads. It shows nothing of a
//! loss of power, after which only that is there which had reached the disk: that is left to SQLite's
//! `synchronous=FULL` and to PostgreSQL's own `fsync`.

#[path = "../../../store/tests/support/postgres.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod postgres;
#[path = "../support/hub.rs"]
mod support;

mod cut;
mod database;
mod killed;
mod ledger;
mod pair;
mod scene;
mod sender;
mod wire;
mod witness;
