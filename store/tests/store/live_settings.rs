use std::collections::BTreeMap;

use easytier_uptime_store::{
    Access, Conflict, Store, StoreError, StoreOptions,
    domain::{DAY, Intervals, LiveSetting, LiveSettings, PageRequest, Policy, RecordFilter, Retention, Verdict},
};

use crate::support::{NOW, TestStore, offline, on_both_engines, online, seconds};

on_both_engines! {
    changes_of_live_settings_apply_at_every_hub_and_after_a_restart,
    a_hub_that_is_configured_otherwise_changes_nothing_for_the_others,
    an_interval_that_is_configured_cannot_be_changed_by_the_operator,
    policy_and_retention_follow_the_live_settings,
    a_setting_that_changed_since_it_was_seen_is_not_overwritten,
}

fn other() -> LiveSettings {
    LiveSettings {
        policy: Policy { confirmations: 5, ..Policy::default() },
        retention: Retention { results: 3 * DAY, ..Retention::default() },
        relay_interval: seconds(1200),
        intervals: None,
    }
}

async fn changes_of_live_settings_apply_at_every_hub_and_after_a_restart(hub: TestStore) {
    let second = hub.second_hub().await.unwrap();
    let mut changes = second.watch_live_settings();
    assert_eq!((hub.live_settings(), second.live_settings()), (LiveSettings::default(), LiveSettings::default()));

    hub.change_live_settings(&other(), NOW).await.unwrap();
    assert_eq!(hub.live_settings(), other());
    second.reload_live_settings().await.unwrap();
    assert_eq!(second.live_settings(), other());
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    second.reload_live_settings().await.unwrap();
    assert!(!changes.has_changed().unwrap(), "nothing changed");
    assert_eq!(hub.second_hub().await.unwrap().live_settings(), other());

    // A hub with a built-in probe has intervals too.
    let intervals = Some(Intervals { check: seconds(5), report: seconds(30) });
    let third = Store::open(StoreOptions { intervals, ..hub.options_of_second() }, NOW).await.unwrap();
    assert_eq!(third.live_settings(), LiveSettings { intervals, ..other() });
    let faster = Some(Intervals { check: seconds(1), report: seconds(30) });
    third.change_live_settings(&LiveSettings { intervals: faster, ..LiveSettings::default() }, NOW).await.unwrap();
    assert_eq!(third.live_settings(), LiveSettings { intervals: faster, ..LiveSettings::default() });
    hub.reload_live_settings().await.unwrap();
    assert_eq!(hub.live_settings(), LiveSettings::default());
}

async fn a_hub_that_is_configured_otherwise_changes_nothing_for_the_others(hub: TestStore) {
    let fixed = BTreeMap::from([(LiveSetting::ResultRetention, "RESULT_RETENTION (environment)".to_owned())]);
    let configured = |days| {
        let retention = Retention { results: days * DAY, ..Retention::default() };
        StoreOptions { retention, fixed: fixed.clone(), ..hub.options_of_second() }
    };
    hub.close().await;
    // The database has no value yet.
    let first = Store::open(StoreOptions { access: Access::Serve, ..configured(90) }, NOW).await.unwrap();
    assert_eq!(first.live_settings().retention.results, 90 * DAY);
    let other = Store::open(configured(2), NOW).await.unwrap();
    let unconfigured = hub.second_hub().await.unwrap();
    for one in [&other, &unconfigured] {
        assert_eq!(one.live_settings().retention.results, 90 * DAY);
    }
    assert_eq!(other.fixed_by(LiveSetting::ResultRetention), None, "the operator may change it");
    let shorter = Retention { results: 2 * DAY, ..Retention::default() };
    other.change_live_settings(&LiveSettings { retention: shorter, ..LiveSettings::default() }, NOW).await.unwrap();
    first.reload_live_settings().await.unwrap();
    assert_eq!(first.live_settings().retention, shorter);
    assert_eq!(Store::open(configured(90), NOW).await.unwrap().live_settings().retention, shorter);
}

async fn an_interval_that_is_configured_cannot_be_changed_by_the_operator(hub: TestStore) {
    let fixed = BTreeMap::from([(LiveSetting::CheckInterval, "--health-check-interval".to_owned())]);
    let intervals = Some(Intervals { check: seconds(7), report: seconds(30) });
    let second = Store::open(StoreOptions { intervals, fixed, ..hub.options_of_second() }, NOW).await.unwrap();
    assert_eq!(second.fixed_by(LiveSetting::CheckInterval), Some("--health-check-interval"));
    let wanted = Some(Intervals { check: seconds(1), report: seconds(60) });
    second.change_live_settings(&LiveSettings { intervals: wanted, ..LiveSettings::default() }, NOW).await.unwrap();
    let expected = Some(Intervals { check: seconds(7), report: seconds(60) });
    assert_eq!(second.live_settings().intervals, expected);
}

async fn policy_and_retention_follow_the_live_settings(hub: TestStore) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.probe("p1", "eu").await;
    hub.report(&probe, vec![online(peer, NOW)], NOW).await;
    let undamped = Policy { confirmations: 1, ..Policy::default() };
    hub.change_live_settings(&LiveSettings { policy: undamped, ..LiveSettings::default() }, NOW).await.unwrap();
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
    hub.change_live_settings(&LiveSettings { retention: shorter, ..LiveSettings::default() }, NOW).await.unwrap();
    assert_eq!(kept().await, 0);
}

async fn a_setting_that_changed_since_it_was_seen_is_not_overwritten(hub: TestStore) {
    let other_hub = hub.second_hub().await.unwrap();
    let seen = hub.live_settings();
    let damping = |confirmations: u32| LiveSettings { policy: Policy { confirmations, ..seen.policy }, ..seen };
    let retention = LiveSettings { retention: Retention { results: 3 * DAY, ..seen.retention }, ..seen };
    // Two operators at two hubs, who have seen the same page; the second hub has not heard of the change yet.
    hub.change_seen_settings(&seen, &damping(5), NOW).await.unwrap();
    let refused = other_hub.change_seen_settings(&seen, &damping(7), NOW).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::SettingsChanged))), "{refused:?}");
    other_hub.change_seen_settings(&seen, &damping(5), NOW).await.unwrap();
    other_hub.change_seen_settings(&seen, &retention, NOW).await.unwrap();
    let both = LiveSettings { retention: retention.retention, ..damping(5) };
    hub.reload_live_settings().await.unwrap();
    assert_eq!((hub.live_settings(), other_hub.live_settings()), (both, both));
    // At the same time one of them wins.
    let (one, two) = (damping(8), damping(9));
    let (one, two) =
        tokio::join!(hub.change_seen_settings(&both, &one, NOW), other_hub.change_seen_settings(&both, &two, NOW),);
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
}
