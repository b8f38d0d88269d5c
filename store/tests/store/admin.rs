use easytier_uptime_store::SessionId;

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    a_session_lasts_until_it_expires_or_is_ended,
}

async fn a_session_lasts_until_it_expires_or_is_ended(hub: TestStore) {
    let session = hub.start_session(SessionId::of("a token"), seconds(60), NOW).await.unwrap();
    assert_eq!(session.expires_at, NOW + seconds(60));
    assert_eq!(hub.session(session.id, NOW + seconds(59)).await.unwrap(), Some(session));
    assert_eq!(hub.session(session.id, NOW + seconds(60)).await.unwrap(), None);
    assert_eq!(hub.session(SessionId::of("another token"), NOW).await.unwrap(), None);
    hub.end_session(session.id).await.unwrap();
    assert_eq!(hub.session(session.id, NOW).await.unwrap(), None);
}
