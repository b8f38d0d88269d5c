use easytier_uptime_store::{
    StoreError,
    domain::{AnnouncementId, NewAnnouncement, Severity},
};

use crate::support::{NOW, TestStore, on_both_engines, seconds};

on_both_engines! {
    an_announcement_is_shown_until_it_ends,
    one_that_ended_long_ago_is_forgotten,
}

fn new(english: &str) -> NewAnnouncement {
    NewAnnouncement { english: Some(english.into()), ..NewAnnouncement::default() }
}

async fn an_announcement_is_shown_until_it_ends(hub: TestStore) {
    let full = NewAnnouncement {
        severity: Severity::Critical,
        english: Some("Tokyo is away".into()),
        chinese: Some("东京节点停机".into()),
        ends_at: Some(NOW + seconds(60)),
    };
    let first = hub.announce(&full, NOW).await.unwrap();
    let second = hub.announce(&new("until somebody ends it"), NOW).await.unwrap();
    let listed = hub.announcements().await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [second, first], "the newest first");
    assert_eq!((&listed[1].content, listed[1].created_at), (&full, NOW));
    let current = |at| listed.iter().filter(|one| one.is_current(at)).count();
    assert_eq!((current(NOW), current(NOW + seconds(60))), (2, 1));

    hub.end_announcement(second, NOW + seconds(1)).await.unwrap();
    let listed = hub.announcements().await.unwrap();
    assert!(listed[0].is_current(NOW) && !listed[0].is_current(NOW + seconds(1)));
    for gone in [second, AnnouncementId(99)] {
        let again = hub.end_announcement(gone, NOW + seconds(2)).await;
        assert!(matches!(again, Err(StoreError::NotFound("announcement"))), "{again:?}");
    }
}

async fn one_that_ended_long_ago_is_forgotten(hub: TestStore) {
    let ended = NewAnnouncement { ends_at: Some(NOW + seconds(60)), ..new("ended") };
    hub.announce(&ended, NOW).await.unwrap();
    let lasting = hub.announce(&new("lasting"), NOW).await.unwrap();
    let newest = hub.announce(&new("newest"), NOW + seconds(91 * 86_400)).await.unwrap();
    let listed: Vec<_> = hub.announcements().await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(listed, [newest, lasting]);
}
