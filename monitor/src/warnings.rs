//! Warnings about the configuration, for `/health`.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// The warnings of a process that works, but not as it should. They last until it restarts.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<BTreeSet<&'static str>>);

impl Warnings {
    /// Adds a sentence for the operator; false when it is there already.
    pub fn add(&self, sentence: &'static str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sentence)
    }

    /// All sentences.
    pub fn all(&self) -> Vec<String> {
        let sentences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sentences.iter().map(|sentence| (*sentence).to_owned()).collect()
    }
}
