//! The status of the probe in this process, which is part of a daemon or of a standalone hub.

use prometheus_client::registry::Registry;

/// The status of the probe in this process. It is read at every request of `/health` and `/metrics`, so it must come from
/// memory.
pub trait ProbeStatus: Send + Sync {
    /// The name under which its results are stored.
    fn server_id(&self) -> &str;

    /// One line for people that describes the state of a probe that works.
    ///
    /// # Errors
    ///
    /// One line for people that explains why the probe does not work.
    fn health(&self) -> Result<String, String>;

    /// The probe's own metrics, up to date. Their names must differ from those of [`Metrics`](crate::Metrics).
    fn metrics(&self) -> &Registry;
}
