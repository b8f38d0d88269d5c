//! The probe cycle of easytier-uptime: fetch peers from a backend, check each by speaking the EasyTier protocol, report.
//!
//! [`run_cycle`] runs a whole cycle, [`Checker`] checks single peers, [`Backend`] is the client of a backend. The library
//! knows nothing of schedules, databases, clouds or the command line. It starts no runtime and no thread, keeps no global
//! state, writes no file and takes its configuration as values. Two dependencies read the configuration of the machine:
//!
//! - Name resolution reads `/etc/resolv.conf` and `/etc/hosts`, again whenever they change, unless
//!   [`Checker::with_resolver`] is given another resolver.
//! - Requests to a backend use the machine's certificate authorities, and the proxy of `HTTP_PROXY`, `HTTPS_PROXY`,
//!   `ALL_PROXY` and `NO_PROXY`, unless the backend is on this machine.

#![warn(missing_docs)]

pub mod address;
pub mod backend;
pub mod check;
pub mod cycle;
mod failure;
mod io_failure;
mod listing_version;
pub mod peer;
pub mod peer_list;
pub mod peer_url;
pub mod remote_list;
pub mod resolve;
pub mod result;
mod secret;
pub mod self_check;
mod status;
mod text;
pub mod tls;
mod transport;
mod wire;

/// The target of spans that are for traces, and not for the log: whoever exports traces takes those with this target.
pub const SPANS: &str = "telemetry";

pub use address::AddressPolicy;
pub use backend::{Backend, BackendConfig, BackendError};
pub use check::{CheckOptions, Checker, HeldPeer};
pub use cycle::{
    BackendPeers, BoxError, CycleOptions, CycleReport, ListedPeers, NoSink, PeerSource, ReportSink, SourcePage,
    run_cycle,
};
pub use failure::{Blame, Failure, FailureCode};
pub use listing_version::ListingVersion;
pub use peer::{Access, CheckMode, Membership, Origin, Peer};
pub use peer_url::{PeerUrl, PeerUrlError, Scheme};
pub use resolve::{Resolver, Target};
pub use result::{CheckReport, CheckResult, Latency, Relay, RelayTest, Stage};
pub use secret::Secret;
pub use status::Status;
pub use transport::Transport;
pub use wire::EASYTIER_VERSION;
