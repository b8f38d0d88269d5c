//! The configuration that was captured last, so that it is read again only after a change.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::SharedConfig;

/// The configuration that was captured last, and the stamp that belongs to it.
#[derive(Default)]
pub(super) struct LastCapture(Mutex<Option<(String, Arc<SharedConfig>)>>);

impl LastCapture {
    /// The configuration, if it belongs to this stamp.
    pub(super) fn get(&self, stamp: &str) -> Option<Arc<SharedConfig>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(of, _)| of == stamp).map(|(_, config)| Arc::clone(config))
    }

    /// Remembers a configuration.
    pub(super) fn put(&self, stamp: String, config: &Arc<SharedConfig>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, Arc::clone(config)));
    }
}
