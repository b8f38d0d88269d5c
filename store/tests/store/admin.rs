use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    a_session_lasts_until_it_expires_or_is_ended,
}

async fn a_session_lasts_until_it_expires_or_is_ended(hub: TestStore) {
    let session = hub.start_session(seconds(60), NOW).await.unwrap();
    assert_eq!(session.expires_at, NOW + seconds(60));
    assert!(hub.session_lasts(session.id, NOW + seconds(59)).await.unwrap());
    assert!(!hub.session_lasts(session.id, NOW + seconds(60)).await.unwrap());
    hub.end_session(session.id).await.unwrap();
    assert!(!hub.session_lasts(session.id, NOW).await.unwrap());
}
