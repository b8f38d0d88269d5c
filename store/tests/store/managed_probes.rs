//! Managed probes: who may be managed, what is stored of them, and messages over their own connections.

use std::time::Duration;

use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        CheckTarget, ConfigVersion, ControlAddress, ManageProblem, ManagedProbeChange, MessageKind, NewCheck,
        NewContact, NewManagedProbe, ProbeId, ProbePath, PullState, PushState, StatusReport,
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    a_probe_without_a_backend_gets_a_token_once,
    a_probe_that_runs_or_reports_elsewhere_is_not_taken_over,
    what_was_found_out_is_kept_and_a_change_of_the_operator_makes_it_due,
    a_removed_probe_is_not_managed_any_more,
    a_message_reaches_a_probe_that_is_connected_and_is_answered_once,
    checks_go_to_probes_that_configurations_reach,
    probes_are_bound_to_the_cluster_that_this_instance_founds_later,
}

fn new(server_id: &str, has_backend: bool) -> NewManagedProbe {
    let address =
        ControlAddress { host: "http://192.0.2.7".to_owned(), port: 8080, token: "a token that is no token".into() };
    NewManagedProbe {
        server_id: server_id.to_owned(),
        region: "eu".parse().unwrap(),
        address: Some(address),
        settings: [("health_check_pings".to_owned(), json!(2))].into(),
        has_backend,
    }
}

async fn a_probe_without_a_backend_gets_a_token_once(hub: TestStore) {
    let id = hub.manage_probe(&new("p", false), NOW).await.unwrap();
    let managed = hub.managed_probe(id).await.unwrap();
    assert_eq!(managed.token.unwrap().expose(), "a token that is no token");
    let token = managed.enrollment.expect("it has no backend");
    let caller = hub.authenticate(token.expose(), NOW).await.unwrap();
    assert!(format!("{caller:?}").contains("\"p\""), "{caller:?}");
    let probe = &hub.managed_probes().await.unwrap()[0];
    assert_eq!((probe.address.as_ref().unwrap().1, &probe.settings["health_check_pings"]), (8080, &json!(2)));

    // Once it has used it, it is forgotten here.
    hub.to_manage().await.unwrap().expect("this hub manages");
    let contact = NewContact { id, contact: probe.contact.clone(), has_backend: true };
    hub.note_contacts(&[contact]).await.unwrap();
    assert!(hub.managed_probe(id).await.unwrap().enrollment.is_none());
    assert!(hub.authenticate(token.expose(), NOW).await.unwrap().is_some());
    let again = hub.manage_probe(&new("p", true), NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::ProbeManaged))), "{again:?}");
}

async fn a_probe_that_runs_or_reports_elsewhere_is_not_taken_over(hub: TestStore) {
    let elsewhere = hub.manage_probe(&new("stranger", true), NOW).await;
    assert!(matches!(elsewhere, Err(StoreError::Conflict(Conflict::ProbeElsewhere))), "{elsewhere:?}");
    let probe = hub.probe("p", "eu").await;
    hub.report_status(&probe, &StatusReport::default(), NOW).await.unwrap();
    let taken = hub.manage_probe(&new("p", false), NOW).await;
    assert!(matches!(taken, Err(StoreError::Conflict(Conflict::ServerIdTaken))), "{taken:?}");
    assert_eq!(hub.manage_probe(&new("p", true), NOW).await.unwrap(), probe.probe);
    assert!(hub.managed_probe(probe.probe).await.unwrap().enrollment.is_none());
}

async fn what_was_found_out_is_kept_and_a_change_of_the_operator_makes_it_due(hub: TestStore) {
    let id = hub.manage_probe(&new("p", false), NOW).await.unwrap();
    let (version, revision) = hub.to_manage().await.unwrap().unwrap();
    let mut probe = hub.fleet().await.unwrap().remove(0).probe;
    assert!(probe.is_outdated(version));
    let contact = &mut probe.contact;
    (contact.pushed, contact.pushed_revision) = (version, probe.revision);
    (contact.push_state, contact.pull_state) = (PushState::Dirty, PullState::Unavailable);
    (contact.path, contact.round_trip_us) = (Some(ProbePath::Proxy), Some(1234));
    (contact.pushed_at, contact.pulled_at) = (Some(NOW), Some(NOW + seconds(1)));
    contact.problem = Some(ManageProblem::Conflict { cause: "older".to_owned() });
    contact.count(700);
    contact.count(300);
    let found = NewContact { id, contact: contact.clone(), has_backend: false };
    let gone = NewContact { id: ProbeId(9999), ..found.clone() };
    hub.note_contacts(&[gone, found.clone()]).await.unwrap();
    let stored = hub.managed_probe(id).await.unwrap().probe;
    assert_eq!(stored.contact, found.contact);
    assert_eq!(stored.contact.usage_bytes, 1000, "it counted from 0 again");
    assert!(
        !stored.is_outdated(version) && stored.is_outdated(ConfigVersion { version: version.version + 1, ..version })
    );
    assert_eq!(hub.to_manage().await.unwrap().unwrap().1, revision, "what is found out is no change");

    let change = ManagedProbeChange { token: Some("another".into()), ..ManagedProbeChange::default() };
    hub.change_managed_probe(id, &change).await.unwrap();
    let changed = hub.managed_probe(id).await.unwrap();
    assert!(changed.probe.is_outdated(version) && changed.probe.contact.push_state == PushState::Untried);
    assert_eq!((changed.token.unwrap().expose(), changed.probe.address.unwrap().1), ("another", 8080));
    assert!(hub.to_manage().await.unwrap().unwrap().1 > revision);
}

async fn a_removed_probe_is_not_managed_any_more(hub: TestStore) {
    let id = hub.manage_probe(&new("p", false), NOW).await.unwrap();
    hub.stop_managing(id).await.unwrap();
    assert!(matches!(hub.stop_managing(id).await, Err(StoreError::NotFound(_))));
    assert!(matches!(hub.push_again(id).await, Err(StoreError::NotFound(_))));
    // It stays registered until it is removed itself.
    assert_eq!(hub.manage_probe(&new("p", false), NOW).await.unwrap(), id);
    hub.remove_probe("p", NOW).await.unwrap();
    assert!(hub.managed_probes().await.unwrap().is_empty());
}

async fn a_message_reaches_a_probe_that_is_connected_and_is_answered_once(hub: TestStore) {
    let (probe, other) = (hub.probe("p", "eu").await, hub.probe("q", "eu").await);
    let send = async |now| hub.send_message(probe.probe, MessageKind::Stats, now + seconds(10), now).await;
    assert!(matches!(send(NOW).await, Err(StoreError::NotFound(_))), "it is not connected");
    hub.note_channel(probe.probe, NOW).await.unwrap();
    assert!(hub.has_channel("p", NOW).await.unwrap() && !hub.has_channel("q", NOW).await.unwrap());
    let number = send(NOW).await.unwrap();
    assert_eq!(hub.probes_with_orders(NOW).await.unwrap(), [(probe.probe, number)].into());
    assert_eq!(hub.messages(probe.probe, 0, NOW).await.unwrap(), [(number, MessageKind::Stats)]);
    assert_eq!(hub.messages(probe.probe, number, NOW).await.unwrap(), []);
    assert_eq!(hub.message_answer(probe.probe, number).await.unwrap(), None);
    let foreign = hub.answer_message(other.probe, number, &json!(1), NOW).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(_))));
    for answer in [json!({ "stats": [] }), json!("later")] {
        hub.answer_message(probe.probe, number, &answer, NOW).await.unwrap();
        assert_eq!(hub.message_answer(probe.probe, number).await.unwrap(), Some(json!({ "stats": [] })));
    }
    assert_eq!(hub.messages(probe.probe, 0, NOW).await.unwrap(), []);

    // Nobody waits for long, and not for many at once.
    let late = hub.answer_message(probe.probe, number, &json!(1), NOW + seconds(10)).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))));
    for _ in 0..100 {
        send(NOW).await.unwrap();
    }
    assert!(matches!(send(NOW).await, Err(StoreError::NotFound(_))));
    let later = NOW + Duration::from_secs(70 + 60);
    hub.note_channel(probe.probe, later).await.unwrap();
    hub.sweep(later).await.unwrap();
    assert_eq!(hub.count("probe_messages").await, 0);
    assert!(send(later).await.unwrap() > number, "numbers grow");
}

async fn checks_go_to_probes_that_configurations_reach(hub: TestStore) {
    let (lost, reached) = (hub.probe("a", "eu").await, hub.probe("b", "eu").await);
    hub.to_manage().await.unwrap();
    for (probe, state) in [(&lost, PushState::Unavailable), (&reached, PushState::Available)] {
        hub.note_channel(probe.probe, NOW).await.unwrap();
        let id = hub.manage_probe(&new(&probe.server_id, true), NOW).await.unwrap();
        let mut contact = hub.managed_probe(id).await.unwrap().probe.contact;
        contact.push_state = state;
        hub.note_contacts(&[NewContact { id, contact, has_backend: true }]).await.unwrap();
    }
    let drawn = async |from: &str| {
        let target = CheckTarget::Url { url: "tcp://192.0.2.1:1".parse().unwrap(), submitted: true };
        let (id, from) = (Uuid::new_v4(), vec![from.to_owned()]);
        let timeout = Duration::from_secs(1);
        let check = NewCheck { id, target, from, timeout, addresses: Vec::new(), requested_by: "admin".to_owned() };
        hub.request_check(&check, NOW).await.unwrap();
        hub.requested_check(id, NOW).await.unwrap().runs.remove(0).probe.map(|(server_id, _)| server_id)
    };
    for _ in 0..8 {
        assert_eq!(drawn("eu").await.as_deref(), Some("b"));
    }
    // Who names it gets it.
    assert_eq!(drawn("a").await.as_deref(), Some("a"));
}

async fn probes_are_bound_to_the_cluster_that_this_instance_founds_later(hub: TestStore) {
    let alone = hub.managing_cluster().await.unwrap();
    assert_eq!(hub.managing_cluster().await.unwrap(), alone);
    let leads = hub.become_primary("one", None).await.unwrap();
    assert_eq!((leads.cluster, hub.managing_cluster().await.unwrap()), (Some(alone), alone));
    // The cluster goes on without it.
    hub.leave().await.unwrap();
    assert_ne!(hub.managing_cluster().await.unwrap(), alone);
}
