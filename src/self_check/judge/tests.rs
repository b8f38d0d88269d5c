use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use Finding::{Failed, Inconclusive, Online};

const HOLD: Duration = Duration::from_secs(5);
const CUT_OFF: Reach = Reach { answered: None, failed: Some(Scope::Public) };
const CONNECTED: Reach = Reach { answered: Some(Scope::Public), failed: None };
const NO_TARGET: Reach = Reach { answered: None, failed: None };

/// A judge of `peers` public peers, with the ids from 0, that are online.
fn judge(peers: i64) -> Judge<i64> {
    let mut judge = Judge::new(HOLD);
    (0..peers).for_each(|id| judge.expect_online(id, Scope::Public));
    judge
}

/// A check that began and ended at `now` found this.
fn observe(judge: &mut Judge<i64>, now: Instant, peer_id: i64, finding: Finding, observation: i64) -> Option<i64> {
    judge.observe(now, Checked { peer_id, scope: Scope::Public, finding, began: now }, observation)
}

fn fail(judge: &mut Judge<i64>, now: Instant, ids: impl IntoIterator<Item = i64>) {
    fail_late(judge, now, now, ids);
}

/// Checks that began at `began` fail.
fn fail_late(judge: &mut Judge<i64>, began: Instant, now: Instant, ids: impl IntoIterator<Item = i64>) {
    for id in ids {
        let checked = Checked { peer_id: id, scope: Scope::Public, finding: Failed, began };
        assert_eq!(judge.observe(now, checked, id), None, "peer {id} is held back");
    }
}

/// The peers of what was released, and whether each is doubted.
fn verdicts(released: Vec<Judged<i64>>) -> Vec<(i64, bool)> {
    released.into_iter().map(|judged| (judged.observation, judged.doubt.is_some())).collect()
}

#[test]
fn a_single_failure_stands_after_one_interval() {
    let (mut judge, start) = (judge(10), Instant::now());
    fail(&mut judge, start, [3]);
    assert!(!judge.needs_proof());
    assert_eq!(verdicts(judge.release_due(start + HOLD - Duration::from_millis(1))), []);
    assert_eq!(verdicts(judge.release_due(start + HOLD)), [(3, false)]);
    // It is known to be down, so the next failure need not wait.
    assert_eq!(observe(&mut judge, start + HOLD, 3, Failed, 3), Some(3));
}

#[test]
fn a_failure_stands_as_soon_as_enough_others_are_online() {
    let (mut judge, start) = (judge(10), Instant::now());
    fail(&mut judge, start, [3]);
    for (id, released) in [(0, 0), (1, 0), (2, 1)] {
        assert_eq!(observe(&mut judge, start, id, Online, id), Some(id));
        assert_eq!(judge.release_due(start).len(), released, "after peer {id}");
    }
}

#[test]
fn a_failure_of_one_of_few_peers_stands_at_once() {
    let (mut judge, start) = (judge(4), Instant::now());
    fail(&mut judge, start, [0]);
    assert_eq!(verdicts(judge.release_due(start)), [(0, false)]);
}

#[test]
fn failures_of_nearly_all_peers_are_doubted_when_the_targets_fail_too() {
    for (failing, is_suspicious) in [(7, false), (8, true), (10, true)] {
        let (mut judge, start) = (judge(10), Instant::now());
        fail(&mut judge, start, 0..failing);
        assert_eq!(judge.needs_proof(), is_suspicious, "{failing} of 10");
        let decided = judge.decide(start, start, CUT_OFF);
        assert_eq!(decided.len(), if is_suspicious { failing as usize } else { 0 });
        let doubt = is_suspicious.then_some(Doubt { failing: failing as usize, were_up: 10, is_proven: true });
        assert!(decided.iter().all(|judged| judged.doubt == doubt), "{failing} of 10");
        assert_eq!(judge.doubt(), doubt);
    }
}

#[test]
fn fewer_than_five_peers_may_fail_at_once() {
    let (mut judge, start) = (judge(4), Instant::now());
    fail(&mut judge, start, 0..4);
    assert!(!judge.needs_proof());
}

#[test]
fn failures_stand_when_a_target_answers() {
    let (mut judge, start) = (judge(10), Instant::now());
    fail(&mut judge, start, 0..10);
    assert!(judge.decide(start, start, CONNECTED).iter().all(|judged| judged.doubt.is_none()));
    assert_eq!(judge.doubt(), None);
}

#[test]
fn without_a_target_failures_are_doubted_for_ten_minutes() {
    let (mut judge, start) = (judge(10), Instant::now());
    for seconds in [0, 5, 300, 599] {
        let now = start + Duration::from_secs(seconds);
        fail(&mut judge, now, 0..10);
        assert!(judge.decide(now, now, NO_TARGET).iter().all(|judged| judged.doubt.is_some()), "after {seconds} s");
    }
    let now = start + MAX_UNPROVEN;
    fail(&mut judge, now, 0..10);
    assert!(judge.decide(now, now, NO_TARGET).iter().all(|judged| judged.doubt.is_none()));
    assert_eq!((judge.doubt(), judge.needs_proof()), (None, false));
}

#[test]
fn with_a_target_that_fails_they_are_doubted_as_long_as_it_fails() {
    let (mut judge, start) = (judge(10), Instant::now());
    for hours in 0..48 {
        let now = start + Duration::from_secs(3600 * hours);
        fail(&mut judge, now, 0..10);
        assert!(judge.decide(now, now, CUT_OFF).iter().all(|judged| judged.doubt.is_some()), "after {hours} h");
    }
    // The network is back.
    assert_eq!(
        (0..3).map(|id| observe(&mut judge, start, id, Online, id)).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    assert_eq!(judge.doubt(), None);
}

#[test]
fn a_dead_uplink_does_not_excuse_a_machine_in_the_same_room() {
    let (mut judge, start) = (judge(10), Instant::now());
    (10..30).for_each(|id| judge.expect_online(id, Scope::Private));
    fail(&mut judge, start, 0..11);
    // All public peers and one private peer fail, and the backend in the same room answers.
    let reach = Reach { answered: Some(Scope::Private), failed: None };
    assert_eq!(verdicts(judge.decide(start, start, reach)), (0..10).map(|id| (id, true)).collect::<Vec<_>>());
    assert_eq!(verdicts(judge.release_due(start + HOLD)), [(10, false)]);
}

#[test]
fn a_peer_that_is_back_before_the_decision_is_released_in_order() {
    let (mut judge, start) = (judge(10), Instant::now());
    fail(&mut judge, start, [3]);
    assert_eq!(observe(&mut judge, start, 3, Online, 30), None);
    assert_eq!(observe(&mut judge, start, 3, Inconclusive, 31), None);
    assert_eq!(verdicts(judge.release_due(start + HOLD)), [(3, false), (30, false), (31, false)]);
    fail(&mut judge, start, [3]);
}

#[test]
fn a_removed_peer_counts_no_more() {
    let (mut judge, start) = (judge(5), Instant::now());
    fail(&mut judge, start, 0..4);
    assert!(judge.needs_proof());
    judge.forget(0);
    assert!(!judge.needs_proof());
    assert_eq!(verdicts(judge.release_all(start)), [(1, false), (2, false), (3, false)]);
}

#[test]
fn a_check_that_began_while_the_probe_was_cut_off_is_doubted_when_it_fails_later() {
    let (mut judge, start) = (judge(10), Instant::now());
    let second = |number| start + Duration::from_secs(number);
    fail(&mut judge, start, 0..8);
    assert_eq!(judge.decide(second(1), second(1), CUT_OFF).len(), 8);
    // The network is back, which the targets see first.
    fail_late(&mut judge, second(1), second(3), 8..10);
    assert_eq!(verdicts(judge.decide(second(4), second(4), CONNECTED)), [(8, true), (9, true)]);
    assert_eq!(judge.doubt(), None);
    for id in 0..5 {
        assert_eq!(observe(&mut judge, second(5), id, Online, id), Some(id));
    }
    // One check began before that and took very long, another began after it.
    fail_late(&mut judge, second(3), second(5), [6]);
    fail_late(&mut judge, second(4), second(5), [7]);
    assert_eq!(verdicts(judge.release_due(second(5) + HOLD)), [(6, true), (7, false)]);
}

#[test]
fn a_check_that_began_while_the_probe_was_cut_off_is_doubted_also_when_other_peers_show_the_end() {
    let (mut judge, start) = (judge(10), Instant::now());
    fail(&mut judge, start, 0..10);
    assert_eq!(judge.decide(start, start, NO_TARGET).len(), 10);
    let end = start + Duration::from_secs(1);
    for id in 0..3 {
        assert_eq!(observe(&mut judge, end, id, Online, id), Some(id));
    }
    fail_late(&mut judge, start, end, [9]);
    assert_eq!(verdicts(judge.release_due(end + HOLD)), [(9, true)]);
}

#[test]
fn an_answer_of_a_target_says_nothing_about_what_failed_after_the_question() {
    let (mut judge, start) = (judge(10), Instant::now());
    let later = start + Duration::from_secs(1);
    fail(&mut judge, start, 0..9);
    fail(&mut judge, later, [9]);
    assert_eq!(judge.decide(start, later, CONNECTED).len(), 9);
}

#[test]
fn a_peer_that_is_checked_often_counts_once() {
    let (mut judge, start) = (judge(10), Instant::now());
    fail(&mut judge, start, [3]);
    for _ in 0..10 {
        for id in [0, 1] {
            assert_eq!(observe(&mut judge, start, id, Online, id), Some(id));
        }
        assert_eq!(verdicts(judge.release_due(start)), []);
    }
}

#[test]
fn a_check_that_began_before_a_failure_does_not_rule_out_that_the_failure_is_the_probes() {
    let (mut judge, start) = (judge(10), Instant::now());
    let later = start + Duration::from_secs(1);
    fail(&mut judge, later, [3]);
    for id in 0..3 {
        let checked = Checked { peer_id: id, scope: Scope::Public, finding: Online, began: start };
        assert_eq!(judge.observe(later, checked, id), Some(id));
    }
    assert_eq!(verdicts(judge.release_due(later)), []);
}

#[test]
fn peers_of_which_nothing_is_known_do_not_hide_that_all_others_fail() {
    let (mut judge, start) = (judge(10), Instant::now());
    for id in 0..5 {
        assert_eq!(observe(&mut judge, start, id, Inconclusive, id), Some(id));
    }
    fail(&mut judge, start, 5..10);
    let doubt = Doubt { failing: 5, were_up: 5, is_proven: true };
    assert!(judge.decide(start, start, CUT_OFF).iter().all(|judged| judged.doubt == Some(doubt)));
    // They were online, so their failures wait as well.
    fail(&mut judge, start, 0..5);
}

#[test]
fn a_failure_waits_for_proof_while_nothing_is_known_of_the_other_peers() {
    let (mut judge, start) = (judge(10), Instant::now());
    for id in 1..10 {
        assert_eq!(observe(&mut judge, start, id, Inconclusive, id), Some(id));
    }
    fail(&mut judge, start, [0]);
    assert_eq!(verdicts(judge.release_due(start + 10 * HOLD)), []);
    assert_eq!(verdicts(judge.decide(start, start, CONNECTED)), [(0, false)]);
}

#[test]
fn at_the_end_failures_are_doubted_when_the_targets_fail() {
    for (reach, is_doubted) in [(CUT_OFF, true), (CONNECTED, false), (NO_TARGET, false)] {
        let (mut judge, start) = (judge(10), Instant::now());
        fail(&mut judge, start, [3]);
        assert_eq!(verdicts(judge.end(start, start, reach)), [(3, is_doubted)], "{reach:?}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Observe(i64, Finding),
    ReleaseDue,
    Decide(Reach),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let scope =
        prop_oneof![Just(None), Just(Some(Scope::Local)), Just(Some(Scope::Private)), Just(Some(Scope::Public))];
    let finding = prop_oneof![Just(Online), Just(Failed), Just(Inconclusive)];
    let step = prop_oneof![
        8 => (0..12_i64, finding).prop_map(|(id, finding)| Step::Observe(id, finding)),
        1 => Just(Step::ReleaseDue),
        1 => (scope.clone(), scope).prop_map(|(answered, failed)| Step::Decide(Reach { answered, failed })),
    ];
    proptest::collection::vec(step, 0..200)
}

fn scope_of(id: i64) -> Scope {
    Scope::ALL[id as usize % 3]
}

proptest! {
    /// Every observation is released once, those of one peer in order; only failures are doubted, and none when a public
    /// target answers, unless the probe was cut off before.
    #[test]
    fn nothing_is_lost_or_reordered(steps in steps()) {
        let mut judge = Judge::new(HOLD);
        let mut now = Instant::now();
        let mut released: Vec<Judged<(i64, usize, Finding)>> = Vec::new();
        let mut observed: HashMap<i64, Vec<usize>> = HashMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            now += Duration::from_secs(1);
            match step {
                Step::Observe(id, finding) => {
                    observed.entry(id).or_default().push(number);
                    let passed = judge.observe(now, Checked { peer_id: id, scope: scope_of(id), finding, began: now }, (id, number, finding));
                    released.extend(passed.map(|observation| Judged { observation, doubt: None }));
                }
                Step::ReleaseDue => released.extend(judge.release_due(now)),
                Step::Decide(reach) => {
                    let was_cut_off = judge.cut_off.is_some();
                    let decided = judge.decide(now, now, reach);
                    let connected = reach.answered == Some(Scope::Public);
                    prop_assert!(!connected || was_cut_off || decided.iter().all(|judged| judged.doubt.is_none()));
                    released.extend(decided);
                }
            }
            // The tallies are those of the peers.
            for scope in Scope::ALL {
                let peers = judge.up.values().filter(|peer| peer.scope == scope);
                let count = |last| peers.clone().filter(|peer| peer.last == last).count();
                let Tally { up, known, failing } = judge.tallies[scope as usize];
                let [online, failed] = [Finding::Online, Finding::Failed].map(count);
                prop_assert_eq!((up, known, failing), (peers.clone().count(), online + failed, failed));
            }
        }
        released.extend(judge.release_all(now));
        prop_assert!(released.iter().all(|judged| judged.doubt.is_none() || judged.observation.2 == Failed));
        let mut order: HashMap<i64, Vec<usize>> = HashMap::new();
        for Judged { observation: (id, number, _), .. } in released {
            order.entry(id).or_default().push(number);
        }
        prop_assert_eq!(order, observed);
    }
}
