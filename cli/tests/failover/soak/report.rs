//! The figures of a part.

use std::time::Duration;

use super::NEW_PRIMARY_WITHIN;
use crate::{sender::Ledger, visitors::Visitors};

pub struct Report {
    part: String,
    /// How long it took each time until there was a new primary.
    took: Vec<Duration>,
}

impl Report {
    pub fn of(part: &str) -> Self {
        Self { part: part.to_owned(), took: Vec::new() }
    }

    pub fn took(&mut self, time: Duration) {
        println!("{}: a new primary after {:.1} s", self.part, time.as_secs_f64());
        self.took.push(time);
    }

    /// Prints the figures, when nothing was lost or doubled; fails when a new primary was late.
    pub fn end(&mut self, acknowledged: usize, ledger: &Ledger, visitors: &Visitors) {
        self.took.sort();
        let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
        let late = self.took.iter().filter(|took| **took > NEW_PRIMARY_WITHIN).count();
        println!(
            "{}: {} failovers, a new primary after {:.1} s (p50) and {:.1} s (max), {late} later than {NEW_PRIMARY_WITHIN:?}; \
             {acknowledged} acknowledged results of senders, 0 lost, 0 doubled, {} requests repeated; {} results of `once` in {} \
             runs and {} of the function in {} invocations, 0 lost, 0 doubled; configuration equal everywhere",
            self.part,
            self.took.len(),
            seconds(self.took.get(self.took.len() / 2)),
            seconds(self.took.last()),
            ledger.entries().refused,
            visitors.of_once.results,
            visitors.of_once.runs,
            visitors.of_function.results,
            visitors.of_function.runs,
        );
        assert_eq!(late, 0, "of {:?}", self.took);
    }
}
