//! The client of the backend contract: [`Backend`] fetches peers and reports the results of checks, to our hub and to
//! backends that others wrote.
//!
//! Our hub identifies itself by a header on its responses; the parts of the contract that only our hub implements are
//! used with no other backend. Every call has a deadline, within which failed requests are retried where that can
//! help. All pauses between requests are decided in [`availability`].

pub mod availability;
mod base_url;
mod behind;
mod checks;
mod client;
mod config;
mod credentials;
mod documents;
mod endpoint;
mod error;
mod http;
mod listing;
mod neo;
mod orders;
mod pushed;
mod registry;
mod results;
mod retry;
mod retry_after;
mod status;

pub use self::{
    availability::{Availability, BackendCall, FailedCall, Outage, RetryPolicy},
    base_url::{BaseUrl, BaseUrlError, is_loopback},
    checks::{RequestedCheck, RequestedResult, WantedCheck},
    client::{Backend, Reported},
    config::{BackendConfig, DEFAULT_PAGE_SIZE, ReportStyle, ReportStyleError},
    error::BackendError,
    http::HUB_HEADER,
    listing::{Claim, ClaimRequest, Cursor, PeerPage},
    orders::{Order, OrderAnswer, Statistic, Task},
    pushed::{PushedPeers, pushed_peers},
    registry::{Registered, Registration, System},
    results::{Delivery, IncompleteDelivery, MAX_BATCH, MAX_CONCURRENT_NODE_REPORTS, Rejected},
    retry_after::retry_after,
    status::StatusReport,
};
