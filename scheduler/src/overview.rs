//! The status of all watched peers at the moment.

use std::sync::{Arc, Mutex, PoisonError};

use easytier_probe::result::Traffic;

use crate::observer::{Observer, Summary, Tally};

/// Summarizes the peers of the observer in use. When the plan of a probe changes it gets a new observer.
pub struct Overview {
    observer: Mutex<Arc<Observer>>,
}

impl Overview {
    pub fn new(observer: Arc<Observer>) -> Self {
        Self { observer: Mutex::new(observer) }
    }

    /// Summarizes the peers of another observer from now on.
    pub fn set_observer(&self, observer: Arc<Observer>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = observer;
    }

    pub fn summary(&self) -> Summary {
        self.observer().summary()
    }

    /// How the checks of each peer ended, by its id, and the traffic of all, also of those that were removed.
    pub fn tallies(&self) -> (Vec<(i64, Tally)>, Traffic) {
        self.observer().tallies()
    }

    fn observer(&self) -> Arc<Observer> {
        Arc::clone(&self.observer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
