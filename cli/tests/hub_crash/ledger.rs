//! The results that were sent, and those that the hub acknowledged.

use std::{
    collections::HashMap,
    ops::AddAssign,
    sync::{Mutex, MutexGuard},
};

use uuid::Uuid;

/// Totals of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub results: u64,
    pub checks: u64,
    pub healthy: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.results += other.results;
        self.checks += other.checks;
        self.healthy += other.healthy;
    }
}

/// A result of a sender.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    pub peer: i64,
    pub figures: Figures,
}

#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
pub struct Entries {
    pub made: HashMap<Uuid, Made>,
    /// In the order of the acknowledgements.
    pub acknowledged: Vec<Uuid>,
}

impl Ledger {
    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }
}
