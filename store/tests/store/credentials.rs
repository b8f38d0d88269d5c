use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        Caller, CredentialKind, EnrollmentLimits, IssuedToken, Lapsed, NewProbe, NodeToken, Region, Registration,
        Scope, StatusReport,
    },
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
    a_token_or_key_ends_at_its_time,
    an_enrollment_key_is_used_up_after_its_number_of_probes,
    two_probes_cannot_share_the_last_use_of_a_key,
    a_probe_that_repeats_its_enrollment_uses_nothing_up,
    a_probe_whose_tokens_have_ended_may_enroll_again,
    the_last_use_is_stored_once_in_some_minutes,
}

async fn probe_of(hub: &TestStore, token: &str) -> easytier_uptime_store::domain::ProbeIdentity {
    match hub.authenticate(token, NOW).await.unwrap() {
        Some(Caller::Probe(identity)) => identity,
        other => panic!("{other:?}"),
    }
}

/// What a probe declares: nothing.
const NOTHING: &Registration =
    &Registration { host: None, port: None, version: None, capabilities: None, system: None };

/// A probe that enrolls and lets the hub make its token.
fn probe<'a>(server_id: &'a str, region: &'a Region) -> NewProbe<'a> {
    NewProbe { server_id, region, registration: NOTHING, token: None }
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
    let api = hub.create_api_key("dashboard", None, NOW).await.unwrap();
    let caller = hub.authenticate(api.token.expose(), NOW).await.unwrap();
    assert_eq!(caller, Some(Caller::Api { name: "dashboard".into(), scopes: [Scope::Read].into() }));
    for only in [Some(region("asia")), None] {
        let key = hub.enrollment_key(&EnrollmentLimits { region: only.clone(), ..EnrollmentLimits::default() }).await;
        assert_eq!(key.region, only);
    }
}

async fn a_wrong_or_revoked_token_does_not_authenticate(hub: TestStore) {
    let issued = hub.create_node_token("p", None, &region("eu"), NOW).await.unwrap();
    let token = issued.token.expose();
    let other_end = format!("{}x", &token[..token.len() - 1]);
    for wrong in ["", "x", "etn_0123456789abcdef_nothing", &other_end, &token[..20], "etn_\0"] {
        assert_eq!(hub.authenticate(wrong, NOW).await.unwrap(), None, "{wrong:?}");
    }
    let kinds = hub.revoke_credential(CredentialKind::Api, issued.id, NOW).await;
    assert!(matches!(kinds, Err(StoreError::NotFound(_))), "it is not an API key");
    hub.revoke_credential(CredentialKind::Node, issued.id, NOW).await.unwrap();
    let told = hub.authenticate(token, NOW).await;
    assert!(matches!(told, Err(StoreError::Lapsed(Lapsed::Revoked { at })) if at == NOW), "{told:?}");
    assert_eq!(hub.authenticate(&other_end, NOW).await.unwrap(), None, "only the holder of the whole token is told");
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
    hub.create_api_key("two", None, NOW).await.unwrap();
    hub.revoke_credential(CredentialKind::Node, issued.id, NOW + seconds(1)).await.unwrap();
    let listed = hub.credentials(CredentialKind::Node).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].server_id.as_deref()), ("one", Some("p1")));
    assert_eq!((listed[0].region.clone(), listed[0].revoked_at), (Some(region("eu")), Some(NOW + seconds(1))));
}

async fn an_enrollment_key_gets_a_new_probe_its_token(hub: TestStore) {
    let registration = Registration { host: Some("198.51.100.7".into()), port: Some(8080), ..Registration::default() };
    let key = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let eu = region("eu");
    let new = NewProbe { registration: &registration, ..probe("p1", &eu) };
    let (identity, issued) = hub.enroll_probe(&key, &new, NOW).await.unwrap();
    assert_eq!(probe_of(&hub, issued.token.expose()).await, identity);
    let probes = hub.probes(NOW).await.unwrap();
    assert_eq!((probes[0].server_id.as_str(), probes[0].port), ("p1", Some(8080)));
    // With its own token the probe may register again, and keeps its id.
    let moved = Registration { host: Some("198.51.100.8".into()), ..registration };
    hub.register_probe(&identity, "p1", &moved, NOW).await.unwrap();
    assert_eq!(hub.probes(NOW).await.unwrap()[0].host.as_deref(), Some("198.51.100.8"));
}

async fn a_server_id_that_is_taken_cannot_be_enrolled(hub: TestStore) {
    let key = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let eu = region("eu");
    hub.enroll_probe(&key, &probe("p1", &eu), NOW).await.unwrap();
    let again = hub.enroll_probe(&key, &probe("p1", &eu), NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::ServerIdTaken))));
    let asian = hub.enrollment_key(&EnrollmentLimits { region: Some(region("asia")), ..Default::default() }).await;
    let elsewhere = hub.enroll_probe(&asian, &probe("p2", &eu), NOW).await;
    assert!(matches!(elsewhere, Err(StoreError::Conflict(Conflict::OtherRegion))));
    let second = hub.second_hub().await.unwrap();
    let other = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let p3 = probe("p3", &eu);
    let (one, two) = tokio::join!(hub.enroll_probe(&key, &p3, NOW), second.enroll_probe(&other, &p3, NOW));
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|ok| *ok).count(), 1);
    assert_eq!(hub.probes(NOW).await.unwrap().len(), 2);
}

async fn a_token_or_key_ends_at_its_time(hub: TestStore) {
    let end = Some(NOW + seconds(60));
    let limits = EnrollmentLimits { expires_at: end, ..EnrollmentLimits::default() };
    let issued = [
        hub.create_api_key("a", end, NOW).await.unwrap(),
        hub.create_enrollment_key("e", &limits, NOW).await.unwrap(),
        hub.create_temporary_node_token("n", None, &region("eu"), end, NOW).await.unwrap(),
    ];
    for IssuedToken { token, .. } in &issued {
        assert!(hub.authenticate(token.expose(), NOW + seconds(59)).await.unwrap().is_some());
        let told = hub.authenticate(token.expose(), NOW + seconds(60)).await;
        assert!(matches!(told, Err(StoreError::Lapsed(Lapsed::Expired { at })) if Some(at) == end), "{told:?}");
    }
    for kind in CredentialKind::ALL {
        let listed = &hub.credentials(kind).await.unwrap()[0];
        assert_eq!((listed.expires_at, listed.lapsed(NOW + seconds(59))), (end, None));
        assert!(matches!(listed.lapsed(NOW + seconds(60)), Some(Lapsed::Expired { .. })));
    }
}

async fn an_enrollment_key_is_used_up_after_its_number_of_probes(hub: TestStore) {
    let key = hub.enrollment_key(&EnrollmentLimits { max_uses: Some(2), ..EnrollmentLimits::default() }).await;
    let eu = region("eu");
    hub.enroll_probe(&key, &probe("p1", &eu), NOW).await.unwrap();
    // A refusal is no use.
    assert!(hub.enroll_probe(&key, &probe("p1", &eu), NOW).await.is_err());
    hub.enroll_probe(&key, &probe("p2", &eu), NOW).await.unwrap();
    let refused = hub.enroll_probe(&key, &probe("p3", &eu), NOW).await;
    assert!(matches!(refused, Err(StoreError::Lapsed(Lapsed::UsedUp { max: 2 }))), "{refused:?}");
    let listed = &hub.credentials(CredentialKind::Enrollment).await.unwrap()[0];
    assert_eq!((listed.uses, listed.lapsed(NOW)), (2, Some(Lapsed::UsedUp { max: 2 })));
    assert_eq!(hub.probes(NOW).await.unwrap().len(), 2);
}

async fn two_probes_cannot_share_the_last_use_of_a_key(hub: TestStore) {
    let eu = region("eu");
    let second = hub.second_hub().await.unwrap();
    for round in 0..8 {
        let key = hub.enrollment_key(&EnrollmentLimits { max_uses: Some(1), ..EnrollmentLimits::default() }).await;
        let [one, two] = ["one", "two"].map(|name| format!("{name} {round}"));
        let (one, two) = (probe(&one, &eu), probe(&two, &eu));
        let (one, two) = tokio::join!(hub.enroll_probe(&key, &one, NOW), second.enroll_probe(&key, &two, NOW));
        let refused: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
        assert!(matches!(refused[..], [StoreError::Lapsed(Lapsed::UsedUp { max: 1 })]), "{refused:?}");
    }
    assert_eq!(hub.probes(NOW).await.unwrap().len(), 8);
}

async fn a_probe_that_repeats_its_enrollment_uses_nothing_up(hub: TestStore) {
    let key = hub.enrollment_key(&EnrollmentLimits { max_uses: Some(1), ..EnrollmentLimits::default() }).await;
    let other_key = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let (eu, us) = (region("eu"), region("us"));
    let [own, other] = ["A", "B"].map(|text| {
        NodeToken::parse(&format!("etn_0123456789abcde{}_{}", text.to_lowercase(), text.repeat(43))).unwrap()
    });
    let new = NewProbe { token: Some(&own), ..probe("p1", &eu) };
    let (first, issued) = hub.enroll_probe(&key, &new, NOW).await.unwrap();
    assert_eq!(issued.token, *own.secret());
    assert_eq!(probe_of(&hub, own.secret().expose()).await, first);
    for _ in 0..3 {
        let (again, same) = hub.enroll_probe(&key, &new, NOW).await.unwrap();
        assert_eq!((again, same), (first.clone(), issued.clone()));
    }
    let listed = &hub.credentials(CredentialKind::Enrollment).await.unwrap()[0];
    assert_eq!(listed.uses, 1);
    let taken = |outcome: Result<_, StoreError>| {
        assert!(matches!(outcome, Err(StoreError::Conflict(Conflict::ServerIdTaken))), "{outcome:?}");
    };
    taken(hub.enroll_probe(&key, &NewProbe { token: Some(&other), ..new }, NOW).await);
    taken(hub.enroll_probe(&key, &NewProbe { region: &us, ..new }, NOW).await);
    taken(hub.enroll_probe(&key, &NewProbe { token: None, ..new }, NOW).await);
    taken(hub.enroll_probe(&other_key, &new, NOW).await);
    let stolen = hub.enroll_probe(&other_key, &NewProbe { server_id: "p2", ..new }, NOW).await;
    assert!(matches!(stolen, Err(StoreError::Conflict(Conflict::TokenTaken))), "{stolen:?}");
    hub.revoke_credential(CredentialKind::Node, issued.id, NOW).await.unwrap();
    let used_up = hub.enroll_probe(&key, &new, NOW).await;
    assert!(matches!(used_up, Err(StoreError::Lapsed(Lapsed::UsedUp { max: 1 }))), "{used_up:?}");
    let revived = hub.enroll_probe(&other_key, &new, NOW).await;
    assert!(
        matches!(revived, Err(StoreError::Conflict(Conflict::TokenTaken))),
        "a revoked token stays revoked: {revived:?}"
    );
    assert_eq!(hub.credentials(CredentialKind::Node).await.unwrap().len(), 1);
}

async fn a_probe_whose_tokens_have_ended_may_enroll_again(hub: TestStore) {
    let key = hub.enrollment_key(&EnrollmentLimits::default()).await;
    let (eu, us) = (region("eu"), region("us"));
    let (first, issued) = hub.enroll_probe(&key, &probe("p1", &eu), NOW).await.unwrap();
    let second = hub.create_temporary_node_token("guest", Some("p1"), &eu, Some(NOW + seconds(60)), NOW).await.unwrap();
    hub.revoke_credential(CredentialKind::Node, issued.id, NOW).await.unwrap();
    let taken = |outcome: Result<_, StoreError>| {
        assert!(matches!(outcome, Err(StoreError::Conflict(Conflict::ServerIdTaken))), "{outcome:?}");
    };
    taken(hub.enroll_probe(&key, &probe("p1", &eu), NOW + seconds(59)).await);
    let later = NOW + seconds(60);
    taken(hub.enroll_probe(&key, &probe("p1", &us), later).await);
    let (again, new) = hub.enroll_probe(&key, &probe("p1", &eu), later).await.unwrap();
    assert_eq!(again, first, "it continues as the same probe");
    assert_eq!(probe_of(&hub, new.token.expose()).await, first);
    for ended in [issued, second] {
        assert!(matches!(hub.authenticate(ended.token.expose(), later).await, Err(StoreError::Lapsed(_))));
    }
    taken(hub.enroll_probe(&key, &probe("p1", &eu), later).await);
    // The probe in the process of a hub has no token, and nobody takes its place.
    hub.probe("local", "eu").await;
    taken(hub.enroll_probe(&key, &probe("local", &eu), later).await);
}

async fn the_last_use_is_stored_once_in_some_minutes(hub: TestStore) {
    let issued = hub.create_api_key("dashboard", None, NOW).await.unwrap();
    let other = hub.second_hub().await.unwrap();
    let last_use = async || hub.credentials(CredentialKind::Api).await.unwrap()[0].last_used_at;
    for after in [0, 1, 2] {
        hub.authenticate(issued.token.expose(), NOW + seconds(after)).await.unwrap();
    }
    assert_eq!(last_use().await, None, "a request writes nothing");
    assert_eq!(hub.store_last_uses().await.unwrap(), 1);
    assert_eq!(last_use().await, Some(NOW + seconds(2)));
    // The next minutes are not written, at no hub.
    for hub in [&hub.store, &other] {
        hub.authenticate(issued.token.expose(), NOW + seconds(299)).await.unwrap();
        assert_eq!(hub.store_last_uses().await.unwrap(), 0);
    }
    other.authenticate(issued.token.expose(), NOW + seconds(302)).await.unwrap();
    hub.authenticate(issued.token.expose(), NOW + seconds(310)).await.unwrap();
    assert_eq!(hub.store_last_uses().await.unwrap(), 1);
    assert_eq!(other.store_last_uses().await.unwrap(), 1);
    assert_eq!(last_use().await, Some(NOW + seconds(310)), "an earlier use does not replace a later one");
    let wrong = format!("{}x", issued.token.expose());
    hub.authenticate(&wrong, NOW + seconds(1000)).await.unwrap();
    assert_eq!(hub.store_last_uses().await.unwrap(), 0, "only the holder of the whole key uses it");
}
