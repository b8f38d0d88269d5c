use easytier_probe::Secret;

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    the_first_password_is_given_once,
    a_new_password_ends_all_sessions,
    a_session_lasts_until_it_ends,
}

async fn the_first_password_is_given_once(hub: TestStore) {
    assert!(!hub.is_admin_password(&Secret::default()).await.unwrap(), "there is no default");
    let password = hub.first_admin_password(NOW).await.unwrap().expect("a password was made");
    assert_eq!(hub.first_admin_password(NOW).await.unwrap(), None);
    assert!(hub.is_admin_password(&password).await.unwrap());
    assert!(!hub.is_admin_password(&"guess".into()).await.unwrap());
}

async fn a_new_password_ends_all_sessions(hub: TestStore) {
    hub.set_admin_password(&"first".into(), NOW).await.unwrap();
    let session = hub.start_session(seconds(60), NOW).await.unwrap();
    hub.set_admin_password(&"first".into(), NOW).await.unwrap();
    assert!(hub.session_lasts(session.id, NOW).await.unwrap(), "the same password is no change");
    hub.set_admin_password(&"second".into(), NOW).await.unwrap();
    assert!(!hub.session_lasts(session.id, NOW).await.unwrap());
    assert!(hub.is_admin_password(&"second".into()).await.unwrap());
    assert!(!hub.is_admin_password(&"first".into()).await.unwrap());
}

async fn a_session_lasts_until_it_ends(hub: TestStore) {
    let session = hub.start_session(seconds(60), NOW).await.unwrap();
    assert_eq!(session.expires_at, NOW + seconds(60));
    assert!(hub.session_lasts(session.id, NOW + seconds(59)).await.unwrap());
    assert!(!hub.session_lasts(session.id, NOW + seconds(60)).await.unwrap());
    hub.end_session(session.id).await.unwrap();
    assert!(!hub.session_lasts(session.id, NOW).await.unwrap());
}
