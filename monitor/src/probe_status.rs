//! How the probe in this process reports about itself, be it a daemon's or that of a standalone hub.

use prometheus_client::registry::Registry;

/// The state of the probe in this process. It is asked at every request of `/health` and `/metrics`, and answers from
/// memory.
pub trait ProbeStatus: Send + Sync {
    /// One line for people about what the probe does.
    ///
    /// # Errors
    ///
    /// One line about why it does not work.
    fn health(&self) -> Result<String, String>;

    /// The probe's own metrics, up to date. Their names must differ from those of [`Metrics`](crate::Metrics).
    fn metrics(&self) -> &Registry;
}
