//! How a probe in this very process does: of a daemon, or of a hub that checks peers itself.

use prometheus_client::registry::Registry;

/// Tells how the probe does. It is asked for every request, and answers from memory.
pub trait Vitals: Send + Sync {
    /// What it does, or why it does not do it.
    fn health(&self) -> Result<String, String>;

    /// Its own figures, up to date. Their names must differ from the hub's own.
    fn figures(&self) -> &Registry;
}
