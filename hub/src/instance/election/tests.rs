use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use super::*;

const AFTER: Duration = Duration::from_secs(90);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn candidate(order: i64) -> Candidate {
    let id = InstanceId(Uuid::from_u128(order as u128));
    Candidate { id, name: format!("instance-{order}"), order, called_back: true }
}

fn view(others: Vec<(Candidate, Answer)>) -> View {
    View { primary_lost: true, own: candidate(5), others, has_connection: true }
}

#[test]
fn the_primary_is_lost_after_three_misses_and_the_whole_time() {
    let mut outage = Outage::watch(AFTER, seconds(0));
    for (at, lost) in [(30, false), (60, false), (90, true)] {
        outage.observe(false, seconds(at));
        assert_eq!(outage.is_loss(seconds(at)), lost, "at {at} s");
    }
    assert_eq!(outage.lasts(seconds(100)), Some(seconds(100)));
    outage.observe(true, seconds(120));
    assert_eq!((outage.is_loss(seconds(500)), outage.lasts(seconds(500))), (false, None));
}

#[test]
fn checks_in_quick_succession_do_not_shorten_the_time() {
    let mut outage = Outage::watch(AFTER, seconds(0));
    (1..=20).for_each(|at| outage.observe(false, seconds(at)));
    assert!(!outage.is_loss(seconds(20)));
}

#[test]
fn who_was_stopped_for_a_minute_watches_anew() {
    let mut outage = Outage::watch(AFTER, seconds(0));
    outage.observe(false, seconds(30));
    outage.observe(false, seconds(60));
    outage.observe(false, seconds(121));
    assert!(!outage.is_loss(seconds(121)));
    for at in [151, 181] {
        outage.observe(false, seconds(at));
        assert!(!outage.is_loss(seconds(at)), "at {at} s");
    }
    outage.observe(false, seconds(211));
    assert!(outage.is_loss(seconds(211)));
}

#[test]
fn a_dependent_that_is_alone_takes_the_place() {
    assert_eq!(decide(&view(vec![])), Decision::Promote);
}

#[test]
fn each_condition_keeps_a_dependent_from_the_place() {
    let misses = |order| (candidate(order), Answer::MissesPrimary);
    let behind = |reason| Decision::Stay(reason);
    let ready = || view(vec![misses(6), misses(7)]);
    assert_eq!(decide(&ready()), Decision::Promote);

    assert_eq!(decide(&View { primary_lost: false, ..ready() }), behind(Reason::PrimaryNotLost));
    assert_eq!(decide(&View { has_connection: false, ..ready() }), behind(Reason::CutOff));
    let unreachable = Candidate { called_back: false, ..candidate(5) };
    assert_eq!(decide(&View { own: unreachable, ..ready() }), behind(Reason::NeverCalledBack));
    let seen = view(vec![misses(6), (candidate(7), Answer::SeesPrimary)]);
    assert_eq!(decide(&seen), behind(Reason::SeenBy("instance-7".into())));
    let few = view(vec![misses(6), (candidate(7), Answer::None), (candidate(8), Answer::None)]);
    assert_eq!(decide(&few), behind(Reason::TooFew { reached: 1, others: 3 }));
    let second = view(vec![misses(2), misses(1)]);
    assert_eq!(decide(&second), behind(Reason::IsBehind("instance-1".into())));
}

#[test]
fn an_earlier_dependent_that_cannot_lead_is_passed_over() {
    let gone = (candidate(1), Answer::None);
    let hidden = (Candidate { called_back: false, ..candidate(2) }, Answer::MissesPrimary);
    assert_eq!(decide(&view(vec![gone, hidden, (candidate(6), Answer::MissesPrimary)])), Decision::Promote);
}

/// The dependents of a cluster: who was called back, and in which of two parts of a split network each is. Part 0 may see
/// the primary.
fn clusters() -> impl Strategy<Value = (Vec<(bool, u8)>, bool)> {
    (vec((prop::bool::weighted(0.8), 0..2_u8), 1..8), any::<bool>())
}

/// What the dependent `own` decides.
fn decision(dependents: &[(bool, u8)], primary_in_part_0: bool, own: usize) -> Decision {
    let of = |nth: usize| Candidate { called_back: dependents[nth].0, ..candidate(nth as i64 + 1) };
    let sees = |nth: usize| primary_in_part_0 && dependents[nth].1 == 0;
    let answer = |nth: usize| match dependents[nth].1 == dependents[own].1 {
        false => Answer::None,
        true if sees(nth) => Answer::SeesPrimary,
        true => Answer::MissesPrimary,
    };
    let others = (0..dependents.len()).filter(|nth| *nth != own).map(|nth| (of(nth), answer(nth))).collect();
    decide(&View { primary_lost: !sees(own), own: of(own), others, has_connection: true })
}

proptest! {
    #[test]
    fn a_split_network_promotes_one_dependent_at_most((dependents, alive) in clusters()) {
        let promoted = (0..dependents.len()).filter(|own| decision(&dependents, alive, *own) == Decision::Promote);
        prop_assert!(promoted.count() <= 1);
    }

    #[test]
    fn nobody_who_sees_the_primary_or_was_never_called_back_is_promoted((dependents, alive) in clusters()) {
        for own in 0..dependents.len() {
            if decision(&dependents, alive, own) == Decision::Promote {
                prop_assert!(dependents[own].0);
                prop_assert!(!(alive && dependents[own].1 == 0));
            }
        }
    }

    #[test]
    fn without_a_split_the_first_that_can_lead_is_promoted(called_back in vec(any::<bool>(), 1..8)) {
        let dependents: Vec<(bool, u8)> = called_back.iter().map(|called_back| (*called_back, 1)).collect();
        let promoted: Vec<usize> =
            (0..dependents.len()).filter(|own| decision(&dependents, false, *own) == Decision::Promote).collect();
        prop_assert_eq!(promoted, called_back.iter().position(|called_back| *called_back).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_loss_is_seen_when_the_time_is_over_and_not_an_interval_later() {
    let millis = Duration::from_millis;
    let mut outage = Outage::watch(AFTER, Duration::ZERO);
    // The last answer took a few milliseconds, and refusals come at once.
    outage.observe(true, millis(30_004));
    for check in [60_001, 90_001, 120_001] {
        assert_eq!(outage.rest(millis(check)), None, "more checks are needed");
        outage.observe(false, millis(check));
    }
    let now = millis(120_001);
    assert!(!outage.is_loss(now));
    let rest = outage.rest(now).unwrap();
    assert_eq!(rest, millis(3));
    outage.observe(false, now + rest);
    assert!(outage.is_loss(now + rest));
    assert_eq!(outage.rest(now + rest), None);
}
