//! The probe cycle as a service that runs for months.
//!
//! [`run_daemon`] is a probe of a backend: it fetches peers, checks them, stores the results in a local history, and
//! delivers them from there. [`LocalProbe`] is a probe in the process of a hub. Both check peers in the same way
//! (`checking`): each at its own interval on a session that is held open (`watch`), or all in cycles by a [`Schedule`].
//!
//! A check flows one way: `observer` → `condense` → `journal` → the store → `upload`.
//!
//! All calls to the backend go through a `BackendHandle`. It asks [`easytier_probe::backend::availability`] when a call
//! may be made again.

#![warn(missing_docs)]

mod backend_handle;
mod checking;
mod condense;
mod control;
mod daemon;
mod enrollment;
mod expiry;
mod health;
mod heartbeat;
mod jobs;
mod journal;
mod listing;
mod local;
mod metrics;
mod monitoring;
mod observer;
mod options;
mod orders;
mod outbound_address;
mod overview;
mod panic_message;
mod presence;
mod probe;
mod pushed;
mod relay_tests;
mod rounds;
pub mod schedule;
mod serving;
mod spool;
mod status;
mod upload;
mod waiting;
mod watch;

pub use self::{
    checking::CheckPlan,
    control::ControlOptions,
    daemon::{DaemonError, Ending, run_daemon},
    enrollment::ClientError,
    jobs::Scheduler,
    local::LocalProbe,
    monitoring::ProbeMonitor,
    options::DaemonOptions,
    outbound_address::outbound_address,
    presence::HubRegistration,
    schedule::Schedule,
    upload::SpoolLimits,
};
