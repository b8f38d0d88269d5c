//! Which results are not delivered yet: ranges of rows of the local history.
//!
//! The newest results go first, so that the hub knows how things are now; what piled up before them follows oldest
//! first. A range is (after, up to): it begins with the row after the first number and ends with the second.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many rows the newest results may fall behind before they are put to the backlog.
const LIVE: i64 = 5_000;

/// Rows, from after the first number up to the second.
pub type Rows = (i64, i64);

/// What waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spool {
    /// Everything up to this row is delivered, or in the backlog.
    live: i64,
    /// What piled up, oldest first.
    backlog: VecDeque<Rows>,
}

/// Which part of the spool some rows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Live,
    Backlog,
}

impl Spool {
    /// A spool for a probe that has delivered everything up to `newest`, or need not.
    pub fn new(newest: i64) -> Self {
        Self { live: newest, backlog: VecDeque::new() }
    }

    /// Rows that wait.
    pub fn depth(&self, newest: i64) -> u64 {
        let backlog: i64 = self.backlog.iter().map(|(after, up_to)| up_to - after).sum();
        u64::try_from(backlog + newest - self.live).unwrap_or(0)
    }

    /// The oldest row that waits, or would be the next.
    pub fn oldest(&self) -> i64 {
        self.backlog.front().map_or(self.live, |(after, _)| *after)
    }

    /// The newest rows, which go first. What is too much to be called new is put to the backlog.
    pub fn live(&mut self, newest: i64) -> Option<Rows> {
        if newest - self.live > LIVE {
            let up_to = newest - LIVE;
            match self.backlog.back_mut().filter(|last| last.1 == self.live) {
                Some(last) => last.1 = up_to,
                None => self.backlog.push_back((self.live, up_to)),
            }
            self.live = up_to;
        }
        (self.live < newest).then_some((self.live, newest))
    }

    /// The oldest rows of what piled up.
    pub fn backlog(&self) -> Option<Rows> {
        self.backlog.front().copied()
    }

    /// Everything of the lane's rows up to `row` is delivered, or given up.
    pub fn done(&mut self, lane: Lane, row: i64) {
        match lane {
            Lane::Live => self.live = self.live.max(row),
            Lane::Backlog => {
                if let Some(first) = self.backlog.front_mut() {
                    first.0 = first.0.max(row);
                    if first.0 >= first.1 {
                        self.backlog.pop_front();
                    }
                }
            }
        }
    }

    /// Gives up everything up to `row`, and says how many rows that was.
    pub fn give_up(&mut self, row: i64, newest: i64) -> u64 {
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

    /// The row up to which must be given up for at most `most` to wait.
    pub fn excess(&self, newest: i64, most: u64) -> Option<i64> {
        let mut excess = i64::try_from(self.depth(newest).checked_sub(most)?).ok().filter(|excess| *excess > 0)?;
        for (after, up_to) in &self.backlog {
            if excess <= up_to - after {
                return Some(after + excess);
            }
            excess -= up_to - after;
        }
        Some(self.live + excess)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest_go_first_and_then_the_oldest() {
        let mut spool = Spool::new(0);
        assert_eq!((spool.live(0), spool.backlog()), (None, None));
        assert_eq!(spool.live(40), Some((0, 40)));
        spool.done(Lane::Live, 40);
        // An outage.
        assert_eq!(spool.live(20_040), Some((15_040, 20_040)));
        assert_eq!((spool.backlog(), spool.depth(20_040)), (Some((40, 15_040)), 20_000));
        spool.done(Lane::Live, 20_040);
        spool.done(Lane::Backlog, 1_040);
        // Another one, before all of the first is delivered.
        assert_eq!(spool.live(30_040), Some((25_040, 30_040)));
        spool.done(Lane::Live, 30_040);
        assert_eq!(spool.backlog(), Some((1_040, 15_040)));
        spool.done(Lane::Backlog, 15_040);
        assert_eq!(spool.backlog(), Some((20_040, 25_040)));
        spool.done(Lane::Backlog, 25_040);
        assert_eq!((spool.backlog(), spool.depth(30_040)), (None, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Come(i64),
        Live(i64),
        Backlog(i64),
        GiveUp(u64),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..9_000i64).prop_map(Step::Come),
            (1..6_000i64).prop_map(Step::Live),
            (1..6_000i64).prop_map(Step::Backlog),
            (0..20_000u64).prop_map(Step::GiveUp),
            Just(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn every_row_leaves_once(steps in prop::collection::vec(step(), 1..60)) {
            let mut spool = Spool::new(0);
            let (mut newest, mut left) = (0_i64, Vec::new());
            for step in steps {
                match step {
                    Step::Come(rows) => newest += rows,
                    Step::Live(rows) => if let Some((after, up_to)) = spool.live(newest) {
                        let row = up_to.min(after + rows);
                        left.extend(after + 1..=row);
                        spool.done(Lane::Live, row);
                    },
                    Step::Backlog(rows) => if let Some((after, up_to)) = spool.backlog() {
                        let row = up_to.min(after + rows);
                        left.extend(after + 1..=row);
                        spool.done(Lane::Backlog, row);
                    },
                    Step::GiveUp(most) => if let Some(row) = spool.excess(newest, most) {
                        let before = spool.depth(newest);
                        let given_up = spool.give_up(row, newest);
                        prop_assert_eq!(before - given_up, most);
                        prop_assert!(spool.oldest() >= row);
                        left.retain(|one| *one > row);
                        left.extend(1..=row);
                    },
                    Step::Restart => {
                        let kept = serde_json::to_string(&spool).unwrap();
                        spool = serde_json::from_str(&kept).unwrap();
                    }
                }
                prop_assert_eq!(spool.depth(newest) as usize + left.len(), newest as usize);
            }
            while let Some((_, up_to)) = spool.live(newest) {
                left.extend(spool.live + 1..=up_to);
                spool.done(Lane::Live, up_to);
            }
            while let Some((after, up_to)) = spool.backlog() {
                left.extend(after + 1..=up_to);
                spool.done(Lane::Backlog, up_to);
            }
            left.sort_unstable();
            prop_assert_eq!(left, (1..=newest).collect::<Vec<_>>());
        }
    }
}
