use std::time::Duration;

use easytier_uptime_store::{
    StoreError,
    domain::{
        Coverage, CredentialId, CredentialKind, EnrollmentLimits, Leader, LiveSettings, MaintenanceSpec, NewProbe,
        PeerId, Registration, Schedule, ScheduleText, StatusReport, SubmissionId,
    },
};
use sqlx::Connection as _;

use crate::support::{Engine, NOW, TestStore, batch, on_both_engines, online, region, seconds, spec};

on_both_engines! {
    a_dependent_takes_no_edit_and_says_where_to_make_it,
    a_dependent_registers_no_probe,
    a_dependent_takes_results_and_its_own_probe,
    a_primary_that_hands_over_takes_no_edits_until_it_leads_again,
}

fn changed(settings: LiveSettings) -> LiveSettings {
    let mut settings = settings;
    settings.retention.results += seconds(86_400);
    settings
}

/// A window for all nodes, now.
fn window() -> MaintenanceSpec {
    let (start, time_zone) = ("2027-01-15T08:00".into(), "UTC".into());
    let schedule = ScheduleText { start, time_zone, minutes: 60, ..ScheduleText::default() };
    MaintenanceSpec {
        title: "New disks".into(),
        title_zh: None,
        coverage: Coverage { all: true, ..Coverage::default() },
        schedule: Schedule::parse(&schedule).unwrap(),
    }
}

/// Every edit of a shared object, and a submission, which leads to one. The peer, the submission, the probe and the key exist.
pub async fn edits(
    hub: &TestStore,
    (peer, submission, key): (PeerId, SubmissionId, CredentialId),
) -> Vec<(&'static str, Result<(), StoreError>)> {
    let limits = EnrollmentLimits::default();
    let (seen, eu) = (hub.live_settings(), region("eu"));
    vec![
        ("add", hub.add_peer(&spec("tcp://192.0.2.8:11010"), NOW).await.map(drop)),
        ("import", hub.import_peers(&[spec("tcp://192.0.2.7:11010")], NOW).await.map(drop)),
        ("edit", hub.edit_peer(peer, |spec| spec.name = "renamed".into(), NOW).await.map(drop)),
        ("approve", hub.set_approved(peer, false, NOW).await),
        ("submit", hub.submit(&spec("tcp://192.0.2.6:11010"), 10, NOW).await.map(drop)),
        ("approve a submission", hub.approve_submission(submission, NOW).await.map(drop)),
        ("settings", hub.change_live_settings(&changed(seen), NOW).await),
        ("seen settings", hub.change_seen_settings(&seen, &changed(seen), NOW).await),
        ("API key", hub.create_api_key("reader", None, NOW).await.map(drop)),
        ("enrollment key", hub.create_enrollment_key("new", &limits, NOW).await.map(drop)),
        ("node token", hub.create_node_token("new", Some("new"), &eu, NOW).await.map(drop)),
        ("revoke", hub.revoke_credential(CredentialKind::Api, key, NOW).await),
        ("remove a probe", hub.remove_probe("old", NOW).await),
        ("maintenance", hub.add_maintenance(&window(), NOW).await.map(drop)),
        ("delete", hub.delete_peer(peer, NOW).await),
    ]
}

/// The peer, the submission and the key that [`edits`] change; the probe exists too.
pub async fn existing(hub: &TestStore) -> (PeerId, SubmissionId, CredentialId) {
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let key = hub.create_api_key("reader", None, NOW).await.unwrap();
    hub.local_probe("old", &region("eu"), NOW).await.unwrap();
    (peer, hub.waiting(&spec("tcp://192.0.2.9:11010"), NOW).await, key.id)
}

async fn a_dependent_takes_no_edit_and_says_where_to_make_it(hub: TestStore) {
    let existing = existing(&hub).await;
    let primary = hub.dependent().await;
    // It is one that the primary shares.
    hub.run_sql("UPDATE peers SET set_aside = FALSE").await;
    let settings = hub.live_settings();
    let version = hub.config_version().await.unwrap();
    for (edit, refused) in edits(&hub, existing).await {
        let Err(StoreError::NotPrimary(leader)) = &refused else { panic!("{edit}: {refused:?}") };
        assert_eq!(**leader, primary, "{edit}");
        let expected = "This instance is a dependent of hub 1. Make the change there: http://192.0.2.1:3002";
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
    assert_eq!(hub.config_version().await.unwrap(), version);
    assert_eq!((hub.count("peers").await, hub.count("credentials WHERE revoked_at IS NULL").await), (1, 1));
    assert_eq!((hub.count("probes").await, hub.live_settings()), (1, settings));
    let nowhere = StoreError::NotPrimary(Box::new(Leader { url: None, ..primary }));
    assert_eq!(nowhere.to_string(), "This instance is a dependent of hub 1. Make the change there.");
    // Promoted, it takes them all.
    hub.promote("own", None, 1, 1).await.unwrap();
    for (edit, done) in edits(&hub, existing).await {
        assert!(done.is_ok(), "{edit}: {done:?}");
    }
}

async fn a_dependent_registers_no_probe(hub: TestStore) {
    let key = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let (known, _) = hub.enrolled("known", &region("eu"), NOW).await;
    let token = hub.create_node_token("unnamed", None, &region("eu"), NOW).await.unwrap();
    let Ok(Some(easytier_uptime_store::domain::Caller::Probe(unnamed))) =
        hub.authenticate(token.token.expose(), NOW).await
    else {
        panic!("it is a node token")
    };
    hub.dependent().await;
    let (eu, registration) = (region("eu"), Registration::default());
    let new = NewProbe { server_id: "new", region: &eu, registration: &registration, token: None };
    let named = StatusReport { server_id: Some("mine".into()), ..StatusReport::default() };
    for refused in [
        hub.enroll_probe(&key, &new, NOW).await.map(drop),
        hub.register_probe(&known, "known", &registration, NOW).await,
        hub.report_status(&unnamed, &named, NOW).await,
    ] {
        assert!(matches!(refused, Err(StoreError::NoRegistrations(_))), "{refused:?}");
        assert!(refused.unwrap_err().is_unavailable(), "the probe tries again");
    }
    assert_eq!(hub.count("probes WHERE server_id IN ('new', 'mine')").await, 0);
    assert_eq!(hub.count("credentials WHERE uses > 0 AND name = 'new ones'").await, 1, "of the one that is known");
    let status = StatusReport { server_id: Some("known".into()), ..StatusReport::default() };
    hub.report_status(&known, &status, NOW).await.unwrap();
}

async fn a_dependent_takes_results_and_its_own_probe(hub: TestStore) {
    hub.dependent().await;
    let probe = hub.probe("here", "asia").await;
    let receipt = hub.ingest(batch(&probe, vec![online(PeerId(1), NOW)], NOW)).await.unwrap();
    assert_eq!(receipt.rejected.len(), 1, "the peer is unknown, and the rest is no edit");
    assert_eq!(hub.count("probes WHERE server_id = 'here'").await, 1);
}

async fn a_primary_that_hands_over_takes_no_edits_until_it_leads_again(hub: TestStore) {
    let existing = existing(&hub).await;
    hub.become_primary("own", None).await.unwrap();
    assert!(!hub.set_accepts_edits(false).await.unwrap().accepts_edits);
    for (edit, refused) in edits(&hub, existing).await {
        assert!(matches!(refused, Err(StoreError::HandingOver)), "{edit}: {refused:?}");
    }
    assert!(hub.set_accepts_edits(true).await.unwrap().accepts_edits);
    for (edit, done) in edits(&hub, existing).await {
        assert!(done.is_ok(), "{edit}: {done:?}");
    }
}

/// PostgreSQL alone has transactions beside each other: the stop returns when those that edit have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_waits_for_edits_that_were_begun() {
    let hub = TestStore::new(Engine::Postgres).await;
    hub.become_primary("own", None).await.unwrap();
    let easytier_uptime_store::Location::Postgres(url) = &hub.options.location else { panic!("it is PostgreSQL") };
    let mut held = sqlx::PgConnection::connect(url.expose()).await.unwrap();
    // The edit has passed the gate and waits for the version of the list of peers.
    sqlx::raw_sql("BEGIN; UPDATE settings SET value = value WHERE key = 'config_version'")
        .execute(&mut held)
        .await
        .unwrap();
    let store = hub.store.clone();
    let edit = tokio::spawn(async move { store.add_peer(&spec("tcp://192.0.2.1:11010"), NOW).await });
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waits_for = async |count: i64| {
        let mut watch = sqlx::PgConnection::connect(url.expose()).await.unwrap();
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watch).await.unwrap() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waits_for(1)).await.unwrap();
    let store = hub.store.clone();
    let stop = tokio::spawn(async move { store.set_accepts_edits(false).await });
    tokio::time::timeout(Duration::from_secs(10), waits_for(2)).await.unwrap();
    assert!(!stop.is_finished());
    sqlx::raw_sql("COMMIT").execute(&mut held).await.unwrap();
    stop.await.unwrap().unwrap();
    edit.await.unwrap().unwrap();
    assert_eq!(hub.count("peers").await, 1, "the edit was committed before the stop returned");
    assert!(hub.add_peer(&spec("tcp://192.0.2.2:11010"), NOW).await.is_err());
}
