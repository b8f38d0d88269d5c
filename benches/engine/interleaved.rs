//! Comparisons in many short rounds, in which both sides take turns: what else runs on the machine meets both.

use crate::usage::median;

/// The median of some values, and the range without the lowest and the highest tenth.
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// The spread of `values`, which must not be empty.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let at = |tenths: usize| values[(last * tenths + 5) / 10];
        Self { low: at(1), high: at(9), median: median(values) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}
