use easytier_probe::Secret;
use easytier_uptime_hub::service::password;
use easytier_uptime_store::SessionId;

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    the_first_password_is_given_once,
    a_new_password_ends_all_sessions,
}

async fn the_first_password_is_given_once(hub: TestStore) {
    assert!(!password::matches(&hub, &Secret::default()).await.unwrap(), "there is no default");
    let first = password::first(&hub, NOW).await.unwrap().expect("a password was made");
    assert_eq!(password::first(&hub, NOW).await.unwrap(), None);
    assert!(password::matches(&hub, &first).await.unwrap());
    assert!(!password::matches(&hub, &"guess".into()).await.unwrap());
}

async fn a_new_password_ends_all_sessions(hub: TestStore) {
    password::set(&hub, &"first".into(), NOW).await.unwrap();
    let session = hub.start_session(SessionId::of("a token"), seconds(60), NOW).await.unwrap();
    password::set(&hub, &"first".into(), NOW).await.unwrap();
    assert!(hub.session(session.id, NOW).await.unwrap().is_some(), "the same password is no change");
    password::set(&hub, &"second".into(), NOW).await.unwrap();
    assert_eq!(hub.session(session.id, NOW).await.unwrap(), None);
    assert!(password::matches(&hub, &"second".into()).await.unwrap());
    assert!(!password::matches(&hub, &"first".into()).await.unwrap());
}
