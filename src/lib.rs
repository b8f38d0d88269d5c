//! The probe cycle of easytier-uptime, as a pure library: fetch peers from a backend, check each by speaking the
//! EasyTier protocol, report.
//!
//! It knows nothing of schedules, databases, clouds or the command line: it starts no runtime, keeps no global state
//! and writes no file.

pub mod address;
pub mod backend;
pub mod check;
pub mod cycle;
pub mod peer;
pub mod peer_list;
pub mod peer_url;
pub mod resolve;
pub mod result;
mod secret;
mod tls;
mod wire;

pub use address::AddressPolicy;
pub use backend::{Backend, BackendConfig, BackendError};
pub use check::{CheckOptions, Checker, HeldPeer};
pub use cycle::{CycleOptions, CycleReport, PeerSource, ReportSink, run_cycle};
pub use peer::{Access, CheckMode, Membership, Origin, Peer};
pub use peer_url::{PeerUrl, PeerUrlError, Scheme};
pub use resolve::{Resolver, Target};
pub use result::{CheckReport, CheckResult, Failure, FailureCode, Latency, Stage, Status};
pub use secret::Secret;
pub use wire::EASYTIER_VERSION;
