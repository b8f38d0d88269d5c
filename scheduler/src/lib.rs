//! The probe cycle as a service that runs for months.
//!
//! [`run_daemon`] is a probe of a backend: it fetches peers, checks them, keeps what it sees in a local history, and
//! delivers it from there. [`LocalProbe`] is a probe in the process of a hub. Both check peers in the same way
//! (`checking`): each at its own interval on a session that is held open (`watch`), or all in cycles by a [`Schedule`].
//!
//! What comes of a check goes one way: `observer` → `condense` → `journal` → the store → `upload`.

mod backoff;
mod checking;
mod condense;
mod daemon;
mod jobs;
mod journal;
mod link;
mod listing;
mod local;
mod metrics;
mod observer;
mod probe;
mod registrar;
pub mod schedule;
mod spool;
mod status;
mod upload;
mod vitals;
mod watch;

pub use self::{
    checking::CheckPlan,
    daemon::{DaemonError, DaemonOptions, Ending, run_daemon},
    jobs::Scheduler,
    local::LocalProbe,
    schedule::Schedule,
    upload::SpoolLimits,
    vitals::Vitals,
};
