//! The load of nodes, as lists show it.

use super::count::percentage;

/// What an idle node and one without a limit have, in percent: some launchers leave out nodes whose load is 0.
const LEAST: f64 = 0.01;

/// What nodes have when no load was measured at all, in percent.
const HALF: u32 = 50;

/// Networks in percent of the maximum, which may exceed 100; 0 when no limit is known.
pub(crate) fn usage_percentage(networks: u32, maximum: u32) -> f64 {
    percentage(networks.into(), maximum.into())
}

/// The load that lists show for nodes whose load was never measured: the median of the measured ones in whole percent, so that it
/// changes seldom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualUsage(u32);

impl Default for UsualUsage {
    fn default() -> Self {
        Self(HALF)
    }
}

impl UsualUsage {
    /// The usual one of these loads in percent.
    pub fn of(measured: impl IntoIterator<Item = f64>) -> Self {
        let mut measured: Vec<f64> = measured.into_iter().collect();
        measured.sort_unstable_by(f64::total_cmp);
        let upper = measured.get(measured.len() / 2);
        let lower = measured.len().checked_sub(1).and_then(|last| measured.get(last / 2));
        match (lower, upper) {
            (Some(lower), Some(upper)) => Self(lower.midpoint(*upper).round() as u32),
            _ => Self::default(),
        }
    }

    /// What lists show for a node with this load, in percent; never 0.
    pub fn shown(self, measured: Option<f64>) -> f64 {
        measured.unwrap_or(self.0.into()).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_load_is_the_median_and_half_without_any() {
        assert_eq!(UsualUsage::of([]), UsualUsage(50));
        assert_eq!(UsualUsage::of([90.0, 10.0, 33.4]), UsualUsage(33));
        assert_eq!(UsualUsage::of([10.0, 90.0, 40.0, 20.0]), UsualUsage(30));
        assert_eq!(UsualUsage::of([0.0, 0.0, 250.0]), UsualUsage(0));
    }

    #[test]
    fn no_load_is_shown_as_a_bare_zero() {
        let shown = |usual: UsualUsage| [Some(0.0), Some(123.4), None].map(|measured| usual.shown(measured));
        assert_eq!(shown(UsualUsage(30)), [0.01, 123.4, 30.0]);
        assert_eq!(shown(UsualUsage(0)), [0.01, 123.4, 0.01]);
    }
}
