use std::collections::BTreeMap;

use easytier_uptime_store::{
    consensus::{Policy, Verdict},
    model::{PageRequest, RecordFilter},
    store::{Retention, Store, StoreOptions},
    time::DAY,
    tuning::{Intervals, Knob, Tuning},
};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, seconds};

on_both_engines! {
    what_the_operator_changes_holds_at_every_hub_and_after_a_restart,
    what_is_configured_is_not_the_operators_to_change,
    results_are_judged_and_kept_by_what_holds_now,
}

fn other() -> Tuning {
    Tuning {
        policy: Policy { confirmations: 5, ..Policy::default() },
        retention: Retention { results: 3 * DAY, ..Retention::default() },
        intervals: None,
    }
}

async fn what_the_operator_changes_holds_at_every_hub_and_after_a_restart(hub: TestStore) {
    let second = hub.second_hub().await.unwrap();
    let mut told = second.follow_tuning();
    assert_eq!((hub.tuning(), second.tuning()), (Tuning::default(), Tuning::default()));

    hub.tune(&other(), NOW).await.unwrap();
    assert_eq!(hub.tuning(), other());
    second.read_tuning().await.unwrap();
    assert_eq!(second.tuning(), other());
    assert!(told.has_changed().unwrap());
    told.mark_unchanged();
    second.read_tuning().await.unwrap();
    assert!(!told.has_changed().unwrap(), "nothing new is no news");
    assert_eq!(hub.second_hub().await.unwrap().tuning(), other());

    // A hub with a probe of its own has intervals too.
    let intervals = Some(Intervals { check: seconds(5), report: seconds(30) });
    let third = Store::open(StoreOptions { intervals, ..hub.options.clone() }, NOW).await.unwrap();
    assert_eq!(third.tuning(), Tuning { intervals, ..other() });
    let faster = Some(Intervals { check: seconds(1), report: seconds(30) });
    third.tune(&Tuning { intervals: faster, ..Tuning::default() }, NOW).await.unwrap();
    assert_eq!(third.tuning(), Tuning { intervals: faster, ..Tuning::default() });
    hub.read_tuning().await.unwrap();
    assert_eq!(hub.tuning(), Tuning::default());
}

async fn what_is_configured_is_not_the_operators_to_change(hub: TestStore) {
    hub.tune(&other(), NOW).await.unwrap();
    let fixed = BTreeMap::from([(Knob::FlapDamping, "FLAP_DAMPING (environment)".to_owned())]);
    let policy = Policy { confirmations: 3, ..Policy::default() };
    let second = Store::open(StoreOptions { policy, fixed, ..hub.options.clone() }, NOW).await.unwrap();
    assert_eq!(second.fixed_by(Knob::FlapDamping), Some("FLAP_DAMPING (environment)"));
    assert_eq!(second.fixed_by(Knob::ResultRetention), None);
    assert_eq!(second.tuning(), Tuning { policy, ..other() });
    let wanted = Tuning { policy: Policy { confirmations: 9, ..policy }, ..Tuning::default() };
    second.tune(&wanted, NOW).await.unwrap();
    assert_eq!(second.tuning(), Tuning { policy, ..Tuning::default() });
    hub.read_tuning().await.unwrap();
    assert_eq!(hub.tuning().policy, other().policy, "what holds elsewhere is not touched");
}

async fn results_are_judged_and_kept_by_what_holds_now(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let undamped = Policy { confirmations: 1, ..Policy::default() };
    hub.tune(&Tuning { policy: undamped, ..Tuning::default() }, NOW).await.unwrap();
    let at = NOW + seconds(10);
    hub.report(&probe, vec![offline(peer, at)], at).await;
    assert_eq!(hub.node(peer, at).await.unwrap().verdict, Verdict::Down);

    let later = NOW + 4 * DAY;
    let kept = async || {
        while hub.sweep(later).await.unwrap().more {}
        hub.health_records(peer, &RecordFilter::default(), PageRequest::default(), later).await.unwrap().total
    };
    assert_eq!(kept().await, 2);
    let shorter = Retention { results: 2 * DAY, ..Retention::default() };
    hub.tune(&Tuning { retention: shorter, ..Tuning::default() }, NOW).await.unwrap();
    assert_eq!(kept().await, 0);
}
