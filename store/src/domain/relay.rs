//! Whether a node relays data between its guests, out of what the regions found.

use easytier_probe::{Relay, result::REFUSAL_FLAG};

use super::{DAY, RegionId, Timestamp, millis};

/// What a region found last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRelay {
    /// The region.
    pub region: RegionId,
    /// The verdict that holds: a test that failed does not replace another verdict for a day.
    pub verdict: Relay,
    /// Why it is not [`Relay::Ok`].
    pub reason: Option<String>,
    /// The time of data from one guest to the other and back, in microseconds.
    pub round_trip_us: Option<i64>,
    /// The time of this verdict.
    pub measured_at: Timestamp,
    /// When the region tested last.
    pub tested_at: Timestamp,
    /// How many tests in a row were not [`Relay::Ok`].
    pub not_ok: u32,
}

/// What the regions found together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredRelay {
    /// The verdict.
    pub verdict: Relay,
    /// Why it is not [`Relay::Ok`].
    pub reason: Option<String>,
    /// The time of data from one guest to the other and back, in microseconds.
    pub round_trip_us: Option<i64>,
    /// When a region found that last.
    pub checked_at: Timestamp,
    /// How many tests in a row were not [`Relay::Ok`]; 0 while the verdict is.
    pub not_ok: u32,
}

impl RegionRelay {
    /// The first answer of a region.
    pub(crate) fn first(
        region: RegionId,
        verdict: Relay,
        reason: Option<String>,
        round_trip_us: Option<i64>,
        at: Timestamp,
    ) -> Self {
        let not_ok = u32::from(verdict != Relay::Ok);
        Self { region, verdict, reason, round_trip_us, measured_at: at, tested_at: at, not_ok }
    }

    /// What the region holds when `answer`, which may have come late, is added.
    #[must_use]
    pub(crate) fn with(self, answer: Self) -> Self {
        let tested_at = self.tested_at.max(answer.tested_at);
        let not_ok = match answer.tested_at > self.tested_at {
            true if answer.verdict == Relay::Ok => 0,
            true => self.not_ok.saturating_add(answer.not_ok),
            false => self.not_ok,
        };
        let held = if answer.holds_before(&self) { answer } else { self };
        Self { tested_at, not_ok: not_ok.max(u32::from(held.verdict != Relay::Ok)), ..held }
    }

    /// Whether the answer would change nothing that matters: a node that refuses by its own word says so in every check.
    pub(crate) fn is_repeated_by(&self, answer: &Self) -> bool {
        let is_soon = answer.tested_at.0 < self.tested_at.0 + REPEATED_WITHIN;
        is_soon && self.is_own_word() && answer.is_own_word()
    }

    /// Of two answers, a failed one holds if it is a day newer; else the newer one does.
    fn holds_before(&self, other: &Self) -> bool {
        let at = |one: &Self| one.measured_at.0 + if one.verdict == Relay::Failed { 0 } else { millis(DAY) };
        match (self.verdict == Relay::Failed) == (other.verdict == Relay::Failed) {
            true => self.rank() > other.rank(),
            false => at(self) > at(other) || at(self) == at(other) && self.verdict == Relay::Failed,
        }
    }

    /// By which answers are ordered: by time. What else is in it only makes the order total.
    fn rank(&self) -> (Timestamp, bool, bool, &Option<String>, Option<i64>, RegionId) {
        let is_ok = self.verdict == Relay::Ok;
        (self.measured_at, self.is_own_word(), is_ok, &self.reason, self.round_trip_us, self.region)
    }

    /// Whether the node itself says that it refuses.
    fn is_own_word(&self) -> bool {
        let names_flag = |reason: &String| reason.contains(REFUSAL_FLAG);
        self.verdict == Relay::Refused && self.reason.as_ref().is_some_and(names_flag)
    }
}

/// Within this time, in milliseconds, what a node says of itself is not noted again.
const REPEATED_WITHIN: i64 = 5 * 60 * 1000;

impl MeasuredRelay {
    /// What the regions found together; `None` when none has tested. What a region found a day before another did not count.
    ///
    /// When a node said last that it refuses, it does: it knows its configuration, and has not been tested successfully since.
    /// Otherwise data that came through from one region proves that the node relays; from another it may have been lost.
    pub fn of(regions: &[RegionRelay]) -> Option<Self> {
        let newest = regions.iter().map(|one| one.measured_at).max()?;
        let recent = || regions.iter().filter(|one| one.measured_at > newest - DAY);
        let last = |verdict: Relay| {
            recent().filter(|one| one.verdict == verdict).max_by(|one, other| one.rank().cmp(&other.rank()))
        };
        let conclusive = recent().filter(|one| one.verdict != Relay::Failed);
        let own_word = conclusive.max_by(|one, other| one.rank().cmp(&other.rank())).filter(|one| one.is_own_word());
        let found = own_word.or_else(|| Relay::ALL.into_iter().find_map(last))?;
        let not_ok = match found.verdict {
            Relay::Ok => 0,
            _ => recent().fold(0, |sum: u32, one| sum.saturating_add(one.not_ok)),
        };
        Some(Self {
            verdict: found.verdict,
            reason: found.reason.clone(),
            round_trip_us: found.round_trip_us,
            checked_at: found.measured_at,
            not_ok,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn answer(region: i64, hour: i64, verdict: Relay) -> RegionRelay {
        let (reason, round_trip) = match verdict {
            Relay::Ok => (None, Some(900)),
            _ => (Some("it drops data".to_owned()), None),
        };
        RegionRelay::first(RegionId(region), verdict, reason, round_trip, Timestamp(hour * HOUR))
    }

    fn own_word(region: i64, hour: i64) -> RegionRelay {
        RegionRelay { reason: Some(format!("it says so ({REFUSAL_FLAG})")), ..answer(region, hour, Relay::Refused) }
    }

    fn found(answers: &[RegionRelay]) -> Option<(Relay, i64, u32)> {
        let measured = MeasuredRelay::of(&held(answers))?;
        Some((measured.verdict, measured.checked_at.0 / HOUR, measured.not_ok))
    }

    /// What the regions hold after these answers arrived one after another.
    fn held(answers: &[RegionRelay]) -> Vec<RegionRelay> {
        let mut regions: Vec<RegionRelay> = Vec::new();
        for answer in answers {
            match regions.iter_mut().find(|one| one.region == answer.region) {
                Some(known) => *known = known.clone().with(answer.clone()),
                None => regions.push(answer.clone()),
            }
        }
        regions
    }

    #[test]
    fn one_region_that_got_data_through_is_a_proof() {
        use Relay::{Failed, Ok, Refused};
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[answer(1, 5, Ok), answer(2, 7, Refused), answer(3, 8, Failed)]), Some((Ok, 5, 0)));
        assert_eq!(found(&[answer(1, 5, Refused), answer(2, 7, Failed)]), Some((Refused, 5, 2)));
        assert_eq!(found(&[answer(1, 5, Failed), answer(2, 7, Failed)]), Some((Failed, 7, 2)));
        // Not of another day.
        assert_eq!(found(&[answer(1, 5, Ok), answer(2, 29, Refused)]), Some((Refused, 29, 1)));
        assert_eq!(found(&[answer(1, 5, Ok), answer(2, 28, Refused)]), Some((Ok, 5, 0)));
    }

    #[test]
    fn the_word_of_the_node_counts_most_when_it_is_newest() {
        use Relay::{Failed, Ok};
        assert_eq!(found(&[answer(1, 5, Ok), own_word(2, 6), answer(3, 7, Failed)]), Some((Relay::Refused, 6, 2)));
        assert_eq!(found(&[own_word(2, 6), answer(1, 7, Ok)]), Some((Ok, 7, 0)));
    }

    #[test]
    fn a_test_that_failed_replaces_another_verdict_of_its_region_after_a_day() {
        use Relay::{Failed, Ok, Refused};
        assert_eq!(found(&[answer(1, 5, Ok), answer(1, 28, Failed)]), Some((Ok, 5, 0)));
        assert_eq!(found(&[answer(1, 5, Ok), answer(1, 28, Failed), answer(1, 29, Failed)]), Some((Failed, 29, 2)));
        assert_eq!(found(&[answer(1, 5, Failed), answer(1, 6, Refused)]), Some((Refused, 6, 2)));
        assert_eq!(found(&[answer(1, 5, Refused), answer(1, 6, Ok), answer(1, 7, Refused)]), Some((Refused, 7, 1)));
    }

    #[test]
    fn what_a_node_says_again_and_again_is_noted_sometimes() {
        let later = |minutes: i64| RegionRelay { tested_at: Timestamp(minutes * 60_000), ..own_word(1, 0) };
        assert!(own_word(1, 0).is_repeated_by(&later(4)));
        assert!(!own_word(1, 0).is_repeated_by(&later(5)));
        assert!(!own_word(1, 0).is_repeated_by(&answer(1, 0, Relay::Ok)));
        assert!(!answer(1, 0, Relay::Refused).is_repeated_by(&answer(1, 0, Relay::Refused)));
    }

    fn any_answer() -> impl Strategy<Value = RegionRelay> {
        (1..4_i64, 0..60_i64, 0..4_usize).prop_map(|(region, hour, kind)| match Relay::ALL.get(kind) {
            Some(verdict) => answer(region, hour, *verdict),
            None => own_word(region, hour),
        })
    }

    proptest! {
        #[test]
        fn the_order_in_which_answers_arrive_does_not_matter(
            (answers, shuffled) in prop::collection::vec(any_answer(), 0..12)
                .prop_flat_map(|answers| (Just(answers.clone()), Just(answers).prop_shuffle())),
        ) {
            let verdict = |answers: &[RegionRelay]| found(answers).map(|(verdict, at, _)| (verdict, at));
            prop_assert_eq!(verdict(&answers), verdict(&shuffled));
        }

        #[test]
        fn a_verdict_is_one_that_a_region_found(answers in prop::collection::vec(any_answer(), 1..12)) {
            let (verdict, at, not_ok) = found(&answers).unwrap();
            prop_assert!(answers.iter().any(|one| one.verdict == verdict && one.measured_at.0 == at * HOUR));
            prop_assert_eq!(not_ok == 0, verdict == Relay::Ok);
        }
    }
}
