use proptest::prelude::*;

use super::*;

pub(super) const POLICY: Policy = Policy {
    confirmations: 2,
    fresh_intervals: 3,
    min_fresh: Duration::from_secs(60),
    doubt_nodes: 8,
    patience: Duration::ZERO,
};
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(30);

pub(super) fn seen(region: i64, probe: i64, status: RegionStatus, seconds_ago: i64) -> Observation {
    Observation {
        region: RegionId(region),
        probe: ProbeId(probe),
        status,
        at: Timestamp(NOW.0 - seconds_ago * 1000),
        interval: CHECK_INTERVAL,
        response_us: (status == Online).then_some(1000 * region),
    }
}

pub(super) fn all_live(_: ProbeId) -> bool {
    true
}

pub(super) fn after(observations: &[Observation]) -> State {
    advance(&State::default(), observations, all_live, &POLICY, NOW).0
}

pub(super) fn status(state: &State, region: i64) -> Option<RegionStatus> {
    state.regions.get(&RegionId(region)).and_then(|region| region.status)
}

use RegionStatus::{Offline, Online};

#[test]
fn the_verdict_is_a_vote_of_the_fresh_regions() {
    let vote = |statuses: &[RegionStatus]| {
        let observations: Vec<_> =
            statuses.iter().zip(1..).map(|(status, region)| seen(region, region, *status, 1)).collect();
        after(&observations).verdict()
    };
    assert_eq!(vote(&[]), Verdict::Unknown);
    assert_eq!(vote(&[Online]), Verdict::Up);
    assert_eq!(vote(&[Offline]), Verdict::Down);
    assert_eq!(vote(&[Online, Offline]), Verdict::Partial, "half is not more than half");
    assert_eq!(vote(&[Online, Online, Offline]), Verdict::Up);
    assert_eq!(vote(&[Online, Offline, Offline]), Verdict::Partial);
    assert_eq!(vote(&[Offline, Offline, Offline]), Verdict::Down);
}

#[test]
fn evidence_from_before_the_clock_was_set_back_does_not_outweigh_new_results() {
    let hours_ahead = |status, hours: i64| seen(1, 1, status, -hours * 3600);
    let before =
        advance(&State::default(), &[hours_ahead(Online, 2)], all_live, &POLICY, NOW + Duration::from_secs(2 * 3600)).0;
    let down = advance(&before, &[seen(1, 1, Offline, 2), seen(1, 1, Offline, 1)], all_live, &POLICY, NOW).0;
    assert_eq!(down.verdict(), Verdict::Down);
}

#[test]
fn leaving_unknown_is_immediate_and_changing_a_known_status_takes_two_results() {
    let up = after(&[seen(1, 1, Online, 50)]);
    assert_eq!(up.verdict(), Verdict::Up);
    let (doubted, changes) = advance(&up, &[seen(1, 1, Offline, 40)], all_live, &POLICY, NOW);
    assert_eq!((doubted.verdict(), changes.len()), (Verdict::Up, 0));
    let (down, changes) = advance(&doubted, &[seen(1, 1, Offline, 30)], all_live, &POLICY, NOW);
    assert_eq!(down.verdict(), Verdict::Down);
    assert_eq!(
        changes,
        [
            Change::Verdict { was: Verdict::Up, became: Verdict::Down },
            Change::Region { region: RegionId(1), was: Some(Online), became: Some(Offline) },
        ]
    );
}

#[test]
fn a_result_that_agrees_resets_the_contradictions() {
    let flapping =
        after(&[seen(1, 1, Online, 50), seen(1, 1, Offline, 40), seen(1, 1, Online, 30), seen(1, 1, Offline, 20)]);
    assert_eq!(status(&flapping, 1), Some(Online));
}

#[test]
fn a_region_is_online_when_any_of_its_probes_sees_the_peer_online() {
    let state = after(&[seen(1, 1, Online, 30), seen(1, 2, Offline, 20), seen(1, 2, Offline, 10)]);
    assert_eq!(status(&state, 1), Some(Online));
}

#[test]
fn only_results_that_contradict_the_status_count_as_contradictions() {
    let offline = after(&[seen(1, 1, Offline, 50)]);
    let blip = [seen(1, 2, Online, 40), seen(1, 1, Offline, 30), seen(1, 1, Offline, 20)];
    let (state, _) = advance(&offline, &blip, all_live, &POLICY, NOW);
    assert_eq!(status(&state, 1), Some(Offline));
    let (state, _) = advance(&state, &[seen(1, 2, Online, 10)], all_live, &POLICY, NOW);
    assert_eq!(status(&state, 1), Some(Online));
}

#[test]
fn evidence_is_stale_after_three_intervals_and_never_before_a_minute() {
    for (interval, fresh_for) in [(5, 60), (30, 90), (3600, 10_800)] {
        let observation = Observation { interval: Duration::from_secs(interval), ..seen(1, 1, Online, 0) };
        let state = after(&[observation]);
        let at_the_end = NOW + Duration::from_secs(fresh_for);
        assert_eq!(advance(&state, &[], all_live, &POLICY, at_the_end).0.verdict(), Verdict::Up);
        assert_eq!(state.review_at(&POLICY), Some(Timestamp(at_the_end.0 + 1)));
        let (stale, changes) = advance(&state, &[], all_live, &POLICY, Timestamp(at_the_end.0 + 1));
        assert_eq!((stale.verdict(), changes.len(), stale.review_at(&POLICY)), (Verdict::Unknown, 2, None));
    }
}

#[test]
fn a_region_whose_probes_are_all_offline_does_not_count() {
    let state = after(&[seen(1, 1, Online, 10), seen(2, 2, Offline, 10)]);
    let without_2 = |probe| probe != ProbeId(2);
    let (state, _) = advance(&state, &[], without_2, &POLICY, NOW);
    assert_eq!((state.verdict(), status(&state, 2)), (Verdict::Up, None));
    let (state, _) = advance(&state, &[], all_live, &POLICY, NOW);
    assert_eq!((state.verdict(), status(&state, 2)), (Verdict::Partial, Some(Offline)));
}

#[test]
fn the_response_time_is_the_median_over_online_regions() {
    let seen = [seen(1, 1, Online, 1), seen(2, 2, Online, 1), seen(9, 9, Online, 1), seen(50, 50, Offline, 1)];
    assert_eq!(after(&seen).response_us(), Some(2000));
    assert_eq!(after(&seen[..2]).response_us(), Some(1500));
    assert_eq!(after(&seen[3..]).response_us(), None);
}

pub(super) fn observations(most: usize) -> impl Strategy<Value = Vec<Observation>> {
    let one = (1i64..4, 0i64..3, any::<bool>(), 0i64..150, 0u64..60).prop_map(
        |(region, nth, online, seconds_ago, interval)| Observation {
            interval: Duration::from_secs(interval),
            ..seen(region, region * 10 + nth, if online { Online } else { Offline }, seconds_ago)
        },
    );
    proptest::collection::vec(one, 0..most)
}

/// Which probes are live, as a set of bits.
pub(super) fn liveness(bits: u32) -> impl Fn(ProbeId) -> bool {
    move |probe| bits >> (probe.0 % 32) & 1 == 1
}

proptest! {
    #[test]
    fn the_verdict_follows_from_the_statuses_of_the_regions(seen in observations(30), live: u32) {
        let (state, _) = advance(&State::default(), &seen, liveness(live), &POLICY, NOW);
        let statuses: Vec<RegionStatus> = state.regions.values().filter_map(|region| region.status).collect();
        let online = statuses.iter().filter(|status| **status == Online).count();
        let expected = match state.verdict() {
            Verdict::Unknown => statuses.is_empty(),
            Verdict::Down => !statuses.is_empty() && online == 0,
            Verdict::Partial => online > 0 && 2 * online <= statuses.len(),
            Verdict::Up => 2 * online > statuses.len(),
        };
        prop_assert!(expected);
    }

    #[test]
    fn the_same_observations_again_change_nothing(seen in observations(30), live: u32) {
        let (once, _) = advance(&State::default(), &seen, liveness(live), &POLICY, NOW);
        let (twice, changes) = advance(&once, &seen, liveness(live), &POLICY, NOW);
        prop_assert_eq!(once, twice);
        prop_assert!(changes.is_empty());
    }

    #[test]
    fn one_batch_or_one_by_one_is_the_same(mut seen in observations(30), live: u32) {
        let (batch, _) = advance(&State::default(), &seen, liveness(live), &POLICY, NOW);
        seen.sort_by_key(|observation| observation.at);
        let step = |state: State, one: &Observation| {
            advance(&state, std::slice::from_ref(one), liveness(live), &POLICY, NOW).0
        };
        prop_assert_eq!(batch, seen.iter().fold(State::default(), step));
    }

    #[test]
    fn a_late_observation_never_replaces_a_newer_one(before in observations(30), late in 1i64..1000) {
        let (state, _) = advance(&State::default(), &before, all_live, &POLICY, NOW);
        let old: Vec<_> = state
            .regions
            .iter()
            .flat_map(|(region, known)| known.probes.iter().map(|(probe, evidence)| (*region, *probe, *evidence)))
            .map(|(region, probe, Evidence { status, at, interval, response_us })| {
                let status = if status == Online { Offline } else { Online };
                Observation { region, probe, status, at: Timestamp(at.0 - late), interval, response_us }
            })
            .collect();
        prop_assert_eq!(advance(&state, &old, all_live, &POLICY, NOW).0, state);
    }

    #[test]
    fn one_result_never_changes_a_known_status_and_the_second_of_a_lone_probe_does(start: bool, age in 3i64..50) {
        let (first, other) = if start { (Online, Offline) } else { (Offline, Online) };
        let state = after(&[seen(1, 1, first, age)]);
        let (state, _) = advance(&state, &[seen(1, 1, other, age - 1)], all_live, &POLICY, NOW);
        prop_assert_eq!(status(&state, 1), Some(first));
        let (state, _) = advance(&state, &[seen(1, 1, other, age - 2)], all_live, &POLICY, NOW);
        prop_assert_eq!(status(&state, 1), Some(other));
    }

    #[test]
    fn without_fresh_evidence_of_a_live_probe_the_verdict_is_unknown(seen in observations(30), live: u32) {
        let (state, _) = advance(&State::default(), &seen, liveness(live), &POLICY, NOW);
        prop_assert_eq!(advance(&state, &[], |_| false, &POLICY, NOW).0.verdict(), Verdict::Unknown);
        let much_later = NOW + Duration::from_secs(3600);
        let (state, _) = advance(&state, &[], liveness(live), &POLICY, much_later);
        prop_assert_eq!((state.verdict(), state.regions.len()), (Verdict::Unknown, 0));
    }

    #[test]
    fn results_of_offline_probes_do_not_count(seen in observations(30), live: u32) {
        let of_live: Vec<_> = seen.iter().copied().filter(|one| liveness(live)(one.probe)).collect();
        let (with, _) = advance(&State::default(), &seen, liveness(live), &POLICY, NOW);
        let (without, _) = advance(&State::default(), &of_live, liveness(live), &POLICY, NOW);
        for region in 1..4 {
            prop_assert_eq!(status(&with, region), status(&without, region));
        }
        prop_assert_eq!(with.verdict(), without.verdict());
    }

    #[test]
    fn changes_list_exactly_the_differences(first in observations(20), second in observations(20), live: u32, later in 0u64..200) {
        let (before, _) = advance(&State::default(), &first, liveness(live), &POLICY, NOW);
        let now = NOW + Duration::from_secs(later);
        let (after, changes) = advance(&before, &second, liveness(live), &POLICY, now);
        let verdicts = changes.iter().filter(|change| matches!(change, Change::Verdict { .. })).count();
        prop_assert_eq!(verdicts, usize::from(before.verdict() != after.verdict()));
        let regions = (1..4).filter(|region| status(&before, *region) != status(&after, *region)).count();
        prop_assert_eq!(changes.len(), verdicts + regions);
    }

    #[test]
    fn nothing_changes_without_results_before_the_review(seen in observations(30), live: u32) {
        let (state, _) = advance(&State::default(), &seen, liveness(live), &POLICY, NOW);
        if let Some(review) = state.review_at(&POLICY) {
            let just_before = Timestamp(review.0 - 1);
            let (same, changes) = advance(&state, &[], liveness(live), &POLICY, just_before);
            prop_assert_eq!(same, state);
            prop_assert!(changes.is_empty());
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_stored(seen in observations(30), doubted in 1i64..4) {
        let mut state = after(&seen);
        state.doubt(RegionId(doubted));
        let stored = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), state);
    }
}

#[test]
fn a_state_that_an_earlier_version_stored_is_read() {
    let state = serde_json::from_str::<State>("[[1,1,0,[[1,1,1799999990000,30000,1000]]]]").unwrap();
    assert_eq!(state, after(&[seen(1, 1, Online, 10)]));
    assert_eq!(serde_json::to_string(&state).unwrap(), "[[1,1,0,[[1,1,1799999990000,30000,1000]]]]");
}
