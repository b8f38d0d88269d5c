//! The spool: which results are not delivered yet, as ranges of rows of the local history.
//!
//! The newest results are delivered first, so that the hub knows the present state; the backlog follows, oldest first.
//! A range is (after, up to): it begins with the row after the first number and ends with the second.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// How many rows may wait as live before the older ones are moved to the backlog.
const MAX_LIVE: i64 = 5_000;

/// A range of rows: (after, up to).
pub type Rows = (i64, i64);

/// The rows that wait to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spool {
    /// All rows up to this one are delivered or in the backlog; later ones are live.
    live: i64,
    /// Older rows that wait, oldest first.
    backlog: VecDeque<Rows>,
}

/// A part of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoolPart {
    /// The newest results.
    Live,
    /// Results that could not be delivered in time.
    Backlog,
}

impl Spool {
    /// An empty spool: everything up to the row `newest` is delivered, or need not be.
    pub fn new(newest: i64) -> Self {
        Self { live: newest, backlog: VecDeque::new() }
    }

    /// How many rows wait.
    pub fn depth(&self, newest: i64) -> u64 {
        let backlog: i64 = self.backlog.iter().map(|(after, up_to)| up_to - after).sum();
        u64::try_from(backlog + newest - self.live).unwrap_or(0)
    }

    /// The row before the oldest one that waits.
    pub fn oldest(&self) -> i64 {
        self.backlog.front().map_or(self.live, |(after, _)| *after)
    }

    /// The live rows, if any. Moves all but the newest [`MAX_LIVE`] to the backlog.
    pub fn live(&mut self, newest: i64) -> Option<Rows> {
        if newest - self.live > MAX_LIVE {
            let up_to = newest - MAX_LIVE;
            match self.backlog.back_mut().filter(|last| last.1 == self.live) {
                Some(last) => last.1 = up_to,
                None => self.backlog.push_back((self.live, up_to)),
            }
            self.live = up_to;
        }
        (self.live < newest).then_some((self.live, newest))
    }

    /// The oldest range of the backlog.
    pub fn backlog(&self) -> Option<Rows> {
        self.backlog.front().copied()
    }

    /// Removes all rows of a part up to `row`, because they are delivered or dropped.
    pub fn done(&mut self, part: SpoolPart, row: i64) {
        match part {
            SpoolPart::Live => self.live = self.live.max(row),
            SpoolPart::Backlog => {
                if let Some(first) = self.backlog.front_mut() {
                    first.0 = first.0.max(row);
                    if first.0 >= first.1 {
                        self.backlog.pop_front();
                    }
                }
            }
        }
    }

    /// Drops all rows up to `row`, and returns how many there were.
    pub fn drop_up_to(&mut self, row: i64, newest: i64) -> u64 {
        let before = self.depth(newest);
        while let Some(first) = self.backlog.front_mut().filter(|first| first.0 < row) {
            first.0 = row.min(first.1);
            if first.0 == first.1 {
                self.backlog.pop_front();
            }
        }
        self.live = self.live.max(row.min(newest));
        before - self.depth(newest)
    }

    /// The row up to which rows must be dropped so that at most `max` wait; `None` if no more wait.
    pub fn excess(&self, newest: i64, max: u64) -> Option<i64> {
        let mut excess = i64::try_from(self.depth(newest).checked_sub(max)?).ok().filter(|excess| *excess > 0)?;
        for (after, up_to) in &self.backlog {
            if excess <= up_to - after {
                return Some(after + excess);
            }
            excess -= up_to - after;
        }
        Some(self.live + excess)
    }

    /// The spool as it is stored.
    pub fn to_json(&self) -> String {
        json!({"live": self.live, "backlog": self.backlog}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest_rows_are_delivered_first_then_the_oldest() {
        let mut spool = Spool::new(0);
        assert_eq!((spool.live(0), spool.backlog()), (None, None));
        assert_eq!(spool.live(40), Some((0, 40)));
        spool.done(SpoolPart::Live, 40);
        // An outage.
        assert_eq!(spool.live(20_040), Some((15_040, 20_040)));
        assert_eq!((spool.backlog(), spool.depth(20_040)), (Some((40, 15_040)), 20_000));
        spool.done(SpoolPart::Live, 20_040);
        spool.done(SpoolPart::Backlog, 1_040);
        // Another one, before all of the first is delivered.
        assert_eq!(spool.live(30_040), Some((25_040, 30_040)));
        spool.done(SpoolPart::Live, 30_040);
        assert_eq!(spool.backlog(), Some((1_040, 15_040)));
        spool.done(SpoolPart::Backlog, 15_040);
        assert_eq!(spool.backlog(), Some((20_040, 25_040)));
        spool.done(SpoolPart::Backlog, 25_040);
        assert_eq!((spool.backlog(), spool.depth(30_040)), (None, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Store(i64),
        Live(i64),
        Backlog(i64),
        Drop(u64),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..9_000i64).prop_map(Step::Store),
            (1..6_000i64).prop_map(Step::Live),
            (1..6_000i64).prop_map(Step::Backlog),
            (0..20_000u64).prop_map(Step::Drop),
            Just(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn every_row_leaves_the_spool_once(steps in prop::collection::vec(step(), 1..60)) {
            let mut spool = Spool::new(0);
            let (mut newest, mut left) = (0_i64, Vec::new());
            for step in steps {
                match step {
                    Step::Store(rows) => newest += rows,
                    Step::Live(rows) => if let Some((after, up_to)) = spool.live(newest) {
                        let row = up_to.min(after + rows);
                        left.extend(after + 1..=row);
                        spool.done(SpoolPart::Live, row);
                    },
                    Step::Backlog(rows) => if let Some((after, up_to)) = spool.backlog() {
                        let row = up_to.min(after + rows);
                        left.extend(after + 1..=row);
                        spool.done(SpoolPart::Backlog, row);
                    },
                    Step::Drop(max) => if let Some(row) = spool.excess(newest, max) {
                        let before = spool.depth(newest);
                        let dropped = spool.drop_up_to(row, newest);
                        prop_assert_eq!(before - dropped, max);
                        prop_assert!(spool.oldest() >= row);
                        left.retain(|one| *one > row);
                        left.extend(1..=row);
                    },
                    Step::Restart => {
                        let kept = spool.to_json();
                        spool = serde_json::from_str(&kept).unwrap();
                    }
                }
                prop_assert_eq!(spool.depth(newest) as usize + left.len(), newest as usize);
            }
            while let Some((_, up_to)) = spool.live(newest) {
                left.extend(spool.live + 1..=up_to);
                spool.done(SpoolPart::Live, up_to);
            }
            while let Some((after, up_to)) = spool.backlog() {
                left.extend(after + 1..=up_to);
                spool.done(SpoolPart::Backlog, up_to);
            }
            left.sort_unstable();
            prop_assert_eq!(left, (1..=newest).collect::<Vec<_>>());
        }
    }
}
