use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{Caller, CredentialKind, Registration, StatusReport},
};

use crate::support::{NOW, TestStore, on_both_engines, region, seconds};

on_both_engines! {
    a_node_token_identifies_one_probe_and_region,
    a_token_without_a_server_id_takes_the_first_one_that_is_reported,
    a_token_cannot_report_for_another_probe,
    keys_authenticate_as_their_kind,
    a_wrong_or_revoked_token_does_not_authenticate,
    a_probe_may_have_a_second_token_but_no_second_region,
    credentials_are_listed_without_their_tokens,
    an_enrollment_key_gets_a_new_probe_its_token,
    a_server_id_that_is_taken_cannot_be_enrolled,
}

async fn probe_of(hub: &TestStore, token: &str) -> easytier_uptime_store::domain::ProbeIdentity {
    match hub.authenticate(token).await.unwrap() {
        Some(Caller::Probe(identity)) => identity,
        other => panic!("{other:?}"),
    }
}

fn report(server_id: &str) -> StatusReport {
    StatusReport { server_id: Some(server_id.into()), ..StatusReport::default() }
}

async fn a_node_token_identifies_one_probe_and_region(hub: TestStore) {
    let issued = hub.create_node_token("shanghai", Some("probe-1"), &region("asia"), NOW).await.unwrap();
    let identity = probe_of(&hub, issued.token.expose()).await;
    assert_eq!((identity.server_id.as_str(), identity.region), ("probe-1", region("asia")));
    assert!(!format!("{issued:?}").contains(issued.token.expose()));
}

async fn a_token_without_a_server_id_takes_the_first_one_that_is_reported(hub: TestStore) {
    let issued = hub.create_node_token("shanghai", None, &region("asia"), NOW).await.unwrap();
    let identity = probe_of(&hub, issued.token.expose()).await;
    assert_eq!(identity.server_id, "shanghai");
    hub.report_status(&identity, &report("host-7"), NOW).await.unwrap();
    let now_named = probe_of(&hub, issued.token.expose()).await;
    assert_eq!((now_named.server_id.as_str(), now_named.probe), ("host-7", identity.probe));
    let other = hub.report_status(&now_named, &report("host-8"), NOW).await;
    assert!(matches!(other, Err(StoreError::Conflict(Conflict::OtherProbe))));
}

async fn a_token_cannot_report_for_another_probe(hub: TestStore) {
    let mine = hub.create_node_token("mine", None, &region("eu"), NOW).await.unwrap();
    hub.create_node_token("theirs", Some("theirs"), &region("eu"), NOW).await.unwrap();
    let mine = probe_of(&hub, mine.token.expose()).await;
    let stolen = hub.report_status(&mine, &report("theirs"), NOW).await;
    assert!(matches!(stolen, Err(StoreError::Conflict(Conflict::ServerIdTaken))));
    assert_eq!(hub.probes(NOW).await.unwrap(), [], "nothing was stored");
}

async fn keys_authenticate_as_their_kind(hub: TestStore) {
    let api = hub.create_api_key("dashboard", NOW).await.unwrap();
    assert_eq!(hub.authenticate(api.token.expose()).await.unwrap(), Some(Caller::Api { name: "dashboard".into() }));
    let asia = hub.create_enrollment_key("asia", Some(&region("asia")), NOW).await.unwrap();
    let caller = hub.authenticate(asia.token.expose()).await.unwrap();
    assert_eq!(caller, Some(Caller::Enrollment { region: Some(region("asia")) }));
    let any = hub.create_enrollment_key("any", None, NOW).await.unwrap();
    assert_eq!(hub.authenticate(any.token.expose()).await.unwrap(), Some(Caller::Enrollment { region: None }));
}

async fn a_wrong_or_revoked_token_does_not_authenticate(hub: TestStore) {
    let issued = hub.create_node_token("p", None, &region("eu"), NOW).await.unwrap();
    let token = issued.token.expose();
    let other_end = format!("{}x", &token[..token.len() - 1]);
    for wrong in ["", "x", "etn_0123456789abcdef_nothing", &other_end, &token[..20], "etn_\0"] {
        assert_eq!(hub.authenticate(wrong).await.unwrap(), None, "{wrong:?}");
    }
    let kinds = hub.revoke_credential(CredentialKind::Api, issued.id, NOW).await;
    assert!(matches!(kinds, Err(StoreError::NotFound(_))), "it is not an API key");
    hub.revoke_credential(CredentialKind::Node, issued.id, NOW).await.unwrap();
    assert_eq!(hub.authenticate(token).await.unwrap(), None);
    assert!(hub.revoke_credential(CredentialKind::Node, issued.id, NOW).await.is_err());
}

async fn a_probe_may_have_a_second_token_but_no_second_region(hub: TestStore) {
    let first = hub.create_node_token("one", Some("p1"), &region("eu"), NOW).await.unwrap();
    let second = hub.create_node_token("two", Some("p1"), &region("eu"), NOW).await.unwrap();
    let (first, second) = (probe_of(&hub, first.token.expose()).await, probe_of(&hub, second.token.expose()).await);
    assert_eq!(first, second);
    let elsewhere = hub.create_node_token("three", Some("p1"), &region("us"), NOW).await;
    assert!(matches!(elsewhere, Err(StoreError::Conflict(Conflict::ProbeInOtherRegion))));
}

async fn credentials_are_listed_without_their_tokens(hub: TestStore) {
    let issued = hub.create_node_token("one", Some("p1"), &region("eu"), NOW).await.unwrap();
    hub.create_api_key("two", NOW).await.unwrap();
    hub.revoke_credential(CredentialKind::Node, issued.id, NOW + seconds(1)).await.unwrap();
    let listed = hub.credentials(CredentialKind::Node).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].server_id.as_deref()), ("one", Some("p1")));
    assert_eq!((listed[0].region.clone(), listed[0].revoked_at), (Some(region("eu")), Some(NOW + seconds(1))));
}

async fn an_enrollment_key_gets_a_new_probe_its_token(hub: TestStore) {
    let registration = Registration { host: Some("198.51.100.7".into()), port: Some(8080), ..Registration::default() };
    let (identity, issued) = hub.enroll_probe(None, "p1", &region("eu"), &registration, NOW).await.unwrap();
    assert_eq!(probe_of(&hub, issued.token.expose()).await, identity);
    let probes = hub.probes(NOW).await.unwrap();
    assert_eq!((probes[0].server_id.as_str(), probes[0].port), ("p1", Some(8080)));
    // With its own token the probe may register again, and keeps its id.
    let moved = Registration { host: Some("198.51.100.8".into()), ..registration };
    hub.register_probe(&identity, "p1", &moved, NOW).await.unwrap();
    assert_eq!(hub.probes(NOW).await.unwrap()[0].host.as_deref(), Some("198.51.100.8"));
}

async fn a_server_id_that_is_taken_cannot_be_enrolled(hub: TestStore) {
    let nothing = Registration::default();
    hub.enroll_probe(None, "p1", &region("eu"), &nothing, NOW).await.unwrap();
    let again = hub.enroll_probe(None, "p1", &region("eu"), &nothing, NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::ServerIdTaken))));
    let elsewhere = hub.enroll_probe(Some(&region("asia")), "p2", &region("eu"), &nothing, NOW).await;
    assert!(matches!(elsewhere, Err(StoreError::Conflict(Conflict::OtherRegion))));
    let second = hub.second_hub().await.unwrap();
    let eu = region("eu");
    let (one, two) = tokio::join!(
        hub.enroll_probe(None, "p3", &eu, &nothing, NOW),
        second.enroll_probe(None, "p3", &eu, &nothing, NOW),
    );
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|ok| *ok).count(), 1);
    assert_eq!(hub.probes(NOW).await.unwrap().len(), 2);
}
