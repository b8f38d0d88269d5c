use proptest::prelude::*;

use super::*;
use crate::{
    consensus::{
        Observation, advance,
        tests::{NOW, POLICY, all_live, liveness, observations, seen, status},
    },
    domain::{
        RegionStatus::{Offline, Online},
        Verdict,
    },
};

const UP: Sight = Sight { status: Online, turns_offline: false, is_seen_elsewhere: true };
const TURNED: Sight = Sight { status: Offline, turns_offline: true, is_seen_elsewhere: true };
/// Offline for long.
const DEAD: Sight = Sight { status: Offline, turns_offline: false, is_seen_elsewhere: false };
/// Offline everywhere, all of a sudden.
const GONE: Sight = Sight { is_seen_elsewhere: false, ..TURNED };

/// So many of each.
fn sights(counts: &[(Sight, usize)]) -> Vec<Sight> {
    counts.iter().flat_map(|(sight, count)| std::iter::repeat_n(*sight, *count)).collect()
}

#[test]
fn a_region_is_in_doubt_when_most_of_its_peers_turn_offline_while_other_regions_see_them() {
    for (expected, counts) in [
        (true, &[(TURNED, 12), (UP, 2)][..]),
        (true, &[(TURNED, 8)]),
        (false, &[(TURNED, 7)]),
        (false, &[(TURNED, 7), (UP, 7)]),
        (true, &[(TURNED, 8), (UP, 7)]),
        // Peers that have been offline for long cannot turn offline.
        (true, &[(TURNED, 12), (UP, 2), (DEAD, 100)]),
        (true, &[(TURNED, 5), (DEAD, 3)]),
        (false, &[(TURNED, 4), (DEAD, 4)]),
        (false, &[(TURNED, 1), (DEAD, 100)]),
        // The peers went, and not the region.
        (false, &[(GONE, 12), (UP, 2)]),
        (false, &[(GONE, 6), (TURNED, 6), (UP, 2)]),
        (true, &[(GONE, 5), (TURNED, 7), (UP, 2)]),
        (false, &[]),
    ] {
        assert_eq!(is_in_doubt(sights(counts), 8), expected, "{counts:?}");
    }
    assert!(!is_in_doubt(sights(&[(TURNED, 100)]), 0), "0 is never");
}

/// A peer that region 1 turned offline `seconds_ago`, seen by region 2.
fn turned(seconds_ago: i64) -> State {
    let up = [seen(1, 1, Online, seconds_ago + 2), seen(2, 2, Online, 1)];
    let failures = [seen(1, 1, Offline, seconds_ago + 1), seen(1, 1, Offline, seconds_ago)];
    let state = advance(&State::default(), &up, all_live, &POLICY, NOW).0;
    advance(&state, &failures, all_live, &POLICY, NOW).0
}

fn doubted(seconds_ago: i64) -> State {
    let mut state = turned(seconds_ago);
    assert!(state.doubt(RegionId(1)));
    assert!(!state.doubt(RegionId(1)), "it is in doubt already");
    state
}

fn next(state: &State, one: Observation) -> State {
    advance(state, &[one], all_live, &POLICY, NOW).0
}

fn word(state: &State) -> Option<RegionStatus> {
    state.regions[&RegionId(1)].word()
}

#[test]
fn a_change_in_doubt_does_not_count_until_a_result_of_the_next_interval_confirms_it() {
    assert_eq!((turned(40).verdict(), word(&turned(40))), (Verdict::Partial, Some(Offline)));
    let state = doubted(40);
    assert_eq!((state.verdict(), word(&state), status(&state, 1)), (Verdict::Up, None, Some(Offline)));
    let same_interval = next(&state, seen(1, 1, Offline, 26));
    assert_eq!(word(&same_interval), None);
    let next_interval = next(&same_interval, seen(1, 1, Offline, 25));
    assert_eq!((next_interval.verdict(), word(&next_interval)), (Verdict::Partial, Some(Offline)));
    let back = next(&next_interval, seen(1, 1, Online, 20));
    assert_eq!(word(&back), Some(Offline), "a confirmed change is damped like any other");
}

#[test]
fn a_result_that_sees_the_peer_online_removes_the_change_at_once() {
    let back = next(&doubted(40), seen(1, 1, Online, 39));
    assert_eq!((back.verdict(), word(&back)), (Verdict::Up, Some(Online)));
    let mut again = next(&next(&back, seen(1, 1, Offline, 38)), seen(1, 1, Offline, 37));
    assert_eq!(word(&again), Some(Offline), "the next change is a new one");
    assert!(again.doubt(RegionId(1)));
}

#[test]
fn a_change_that_flap_damping_delays_can_be_in_doubt_before_it_is_made() {
    let up = [seen(1, 1, Online, 50), seen(2, 2, Online, 1)];
    let mut state = advance(&State::default(), &up, all_live, &POLICY, NOW).0;
    assert!(!state.doubt(RegionId(1)), "there is no change");
    state = next(&state, seen(1, 1, Offline, 40));
    assert!(state.doubt(RegionId(1)));
    assert_eq!(word(&state), Some(Online));
    assert_eq!(word(&next(&state, seen(1, 1, Offline, 30))), None);
    let relieved = next(&state, seen(1, 1, Online, 30));
    assert_eq!(word(&next(&next(&relieved, seen(1, 1, Offline, 20)), seen(1, 1, Offline, 10))), Some(Offline));
}

#[test]
fn a_probe_that_leaves_and_comes_back_does_not_end_the_doubt() {
    let state = doubted(40);
    let (away, _) = advance(&state, &[], |probe| probe.0 != 1, &POLICY, NOW);
    assert_eq!(status(&away, 1), None);
    assert_eq!(word(&advance(&away, &[], all_live, &POLICY, NOW).0), None);
    assert_eq!(advance(&away, &[], all_live, &POLICY, NOW).0, state);
}

#[test]
fn a_change_before_the_clock_was_set_back_is_confirmed_by_the_next_result() {
    let mut state = doubted(40);
    state.regions.get_mut(&RegionId(1)).unwrap().turned_at = Some(NOW + Duration::from_secs(3600));
    assert_eq!(word(&next(&state, seen(1, 1, Offline, 5))), Some(Offline));
}

#[test]
fn doubts_count_the_peers_of_a_region() {
    let states = [doubted(40), doubted(30), turned(20), next(&doubted(40), seen(1, 1, Online, 5))];
    assert_eq!(doubts(&states), BTreeMap::from([(RegionId(1), Doubt { turned: 2, nodes: 4 })]));
}

fn any_sight() -> impl Strategy<Value = Sight> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(online, turns_offline, is_seen_elsewhere)| Sight {
        status: if online { Online } else { Offline },
        turns_offline,
        is_seen_elsewhere,
    })
}

proptest! {
    #[test]
    fn doubt_needs_enough_peers_and_the_sight_of_others(sights in proptest::collection::vec(any_sight(), 0..40), min in 0u32..20) {
        let doubt = is_in_doubt(sights.clone(), min);
        let turning = sights.iter().filter(|sight| sight.turns_offline).count();
        let seen = sights.iter().filter(|sight| sight.turns_offline && sight.is_seen_elsewhere).count();
        prop_assert!(!doubt || (sights.len() >= min as usize && 2 * turning > min as usize && 2 * seen > turning));
        // One more peer that stays online starts no doubt, and one more that is offline for long neither starts nor ends it
        // in a region that is large enough.
        let with = |one| is_in_doubt(sights.iter().copied().chain([one]), min);
        prop_assert!(doubt || !with(UP) || sights.len() < min as usize);
        prop_assert!(sights.len() < min as usize || with(DEAD) == doubt);
        // One more that turns offline while others see it does not end it.
        prop_assert!(!doubt || with(TURNED));
        let seen_by_all = sights.iter().map(|sight| Sight { is_seen_elsewhere: true, ..*sight });
        prop_assert!(!doubt || is_in_doubt(seen_by_all, min));
    }

    #[test]
    fn doubt_hides_only_words_for_offline_and_never_makes_a_verdict_worse(seen in observations(30), live: u32, region in 1i64..4) {
        let before = advance(&State::default(), &seen, liveness(live), &POLICY, NOW).0;
        let mut after = before.clone();
        let began = after.doubt(RegionId(region));
        prop_assert_eq!(began, before != after);
        for (id, was) in &before.regions {
            let word = after.regions[id].word();
            prop_assert!(word == was.word() || (id.0 == region && word.is_none() && was.word() == Some(Offline)));
        }
        let worse = (before.verdict() as u8) > after.verdict() as u8 && after.verdict() != Verdict::Unknown;
        prop_assert!(!worse, "{:?} {:?}", before.verdict(), after.verdict());
    }

    #[test]
    fn a_doubt_ends_with_the_next_interval_whatever_the_results_are(
        seen in observations(30), live: u32, region in 1i64..4, online: bool, probe in 0i64..3,
    ) {
        let mut state = advance(&State::default(), &seen, liveness(live), &POLICY, NOW).0;
        state.doubt(RegionId(region));
        let was_in_doubt = state.regions.get(&RegionId(region)).is_some_and(RegionState::is_in_doubt);
        let later = NOW + Duration::from_secs(61);
        let probe = region * 10 + probe;
        let result = Observation { at: later, ..super::super::tests::seen(region, probe, if online { Online } else { Offline }, 0) };
        let is_live = |other: crate::domain::ProbeId| other.0 == probe;
        let after = advance(&state, &[result], is_live, &POLICY, later).0;
        prop_assert!(!was_in_doubt || !after.regions[&RegionId(region)].is_in_doubt());
    }

    #[test]
    fn doubt_changes_nothing_but_when_a_change_counts(before in observations(20), then in observations(20), live: u32, region in 1i64..4) {
        let state = advance(&State::default(), &before, liveness(live), &POLICY, NOW).0;
        let mut doubted = state.clone();
        doubted.doubt(RegionId(region));
        let [plain, doubted] = [&state, &doubted].map(|state| advance(state, &then, liveness(live), &POLICY, NOW).0);
        for (id, known) in &plain.regions {
            prop_assert_eq!(&known.probes, &doubted.regions[id].probes);
        }
    }
}
