//! Servers without a credential.

use std::net::{IpAddr, Ipv6Addr};

use easytier_uptime_store::{
    Conflict, StoreError,
    domain::{
        Announced, MAX_OPEN_SERVERS, MAX_OPEN_SERVERS_OF_ADDRESS, OpenServer, Ownership, Presence, Registration,
        Timestamp,
    },
};
use serde_json::json;

use crate::support::{NOW, TestStore, on_both_engines, region, seconds};

on_both_engines! {
    a_server_is_listed_until_it_was_silent_for_a_day,
    only_the_address_that_registered_a_server_changes_it,
    an_address_and_the_list_have_so_many_servers_and_no_more,
    a_probe_takes_the_place_of_a_server_of_its_name,
}

const HERE: &str = "192.0.2.7";
const DAY: u64 = 24 * 3600;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Announces a server that declares nothing.
async fn announce(hub: &TestStore, from: &str, server_id: &str, now: Timestamp) -> Result<Announced, StoreError> {
    hub.announce_server(address(from), server_id, &region("eu"), &Registration::default(), now).await
}

async fn listed(hub: &TestStore, now: Timestamp) -> Vec<OpenServer> {
    hub.open_servers(now).await.unwrap()
}

async fn a_server_is_listed_until_it_was_silent_for_a_day(hub: TestStore) {
    let declared = Registration {
        host: Some("node.example.net".into()),
        port: Some(8080),
        version: Some("1.2".into()),
        capabilities: Some(json!(["tcp"])),
        system: Some(json!({ "name": "a\u{0}b" })),
    };
    let announced = hub.announce_server(address(HERE), "w1", &region("eu"), &declared, NOW).await.unwrap();
    assert_eq!(announced, Announced::Listed);
    let counters = json!({ "peers": 3 });
    let beat = hub.open_heartbeat(address(HERE), "w1", Some(&counters), NOW + seconds(30)).await.unwrap();
    assert_eq!(beat, Ownership::Own);
    hub.open_heartbeat(address(HERE), "w1", None, NOW + seconds(60)).await.unwrap();
    let server = OpenServer {
        server_id: "w1".into(),
        region: region("eu"),
        presence: Presence::Online,
        registration: declared,
        counters: Some(counters),
        registered_at: NOW,
        last_seen_at: NOW + seconds(60),
    };
    assert_eq!(listed(&hub, NOW + seconds(60)).await, [server]);
    for (silence, presence) in [(60, Presence::Online), (61, Presence::Overdue), (91, Presence::Offline)] {
        assert_eq!(listed(&hub, NOW + seconds(60 + silence)).await[0].presence, presence, "{silence}");
    }
    assert_eq!(listed(&hub, NOW + seconds(60 + DAY - 1)).await.len(), 1);
    assert_eq!(listed(&hub, NOW + seconds(60 + DAY)).await, []);
    let late = hub.open_heartbeat(address(HERE), "w1", None, NOW + seconds(60 + DAY)).await.unwrap();
    assert_eq!(late, Ownership::Unknown, "it has to register again");
    hub.sweep(NOW + seconds(60 + DAY)).await.unwrap();
    assert_eq!(hub.count("open_servers").await, 0);
    // It is no probe, and nobody looks for its region.
    assert_eq!((hub.count("probes").await, hub.count("regions").await), (0, 0));
}

async fn only_the_address_that_registered_a_server_changes_it(hub: TestStore) {
    announce(&hub, HERE, "w1", NOW).await.unwrap();
    announce(&hub, "2001:db8:1:2::1", "w2", NOW).await.unwrap();
    let later = NOW + seconds(10);
    let other = announce(&hub, "192.0.2.8", "w1", later).await;
    assert!(matches!(other, Err(StoreError::Conflict(Conflict::ServerIdTaken))), "{other:?}");
    for (from, server_id, owned) in [
        ("192.0.2.8", "w1", Ownership::Foreign),
        ("2001:db8:1:3::1", "w2", Ownership::Foreign),
        (HERE, "w3", Ownership::Unknown),
        ("::ffff:192.0.2.7", "w1", Ownership::Own),
        // An address of the same network.
        ("2001:db8:1:2::99", "w2", Ownership::Own),
    ] {
        let before = listed(&hub, later).await;
        assert_eq!(hub.open_heartbeat(address(from), server_id, None, later).await.unwrap(), owned, "{from}");
        assert_eq!(listed(&hub, later).await == before, owned != Ownership::Own, "{from}");
    }
    assert_eq!(hub.withdraw_server(address("192.0.2.8"), "w1", later).await.unwrap(), Ownership::Foreign);
    assert_eq!(listed(&hub, later).await.len(), 2);
    assert_eq!(hub.withdraw_server(address(HERE), "w1", later).await.unwrap(), Ownership::Own);
    assert_eq!(hub.withdraw_server(address(HERE), "w1", later).await.unwrap(), Ownership::Unknown);
    assert_eq!(announce(&hub, "192.0.2.8", "w1", later).await.unwrap(), Announced::Listed, "the name is free");
}

async fn an_address_and_the_list_have_so_many_servers_and_no_more(hub: TestStore) {
    for nth in 0..MAX_OPEN_SERVERS_OF_ADDRESS {
        assert_eq!(announce(&hub, HERE, &format!("w{nth}"), NOW).await.unwrap(), Announced::Listed);
    }
    assert_eq!(announce(&hub, HERE, "one more", NOW).await.unwrap(), Announced::AddressFull);
    assert_eq!(announce(&hub, HERE, "w0", NOW).await.unwrap(), Announced::Listed, "it is there already");
    hub.withdraw_server(address(HERE), "w0", NOW).await.unwrap();
    assert_eq!(announce(&hub, HERE, "one more", NOW).await.unwrap(), Announced::Listed);
    // All but two of the others at once.
    let others = MAX_OPEN_SERVERS - MAX_OPEN_SERVERS_OF_ADDRESS - 2;
    hub.run_sql(&format!(
        "INSERT INTO open_servers (server_id, announced_by, region, registered_at, last_seen_at) \
         WITH RECURSIVE n(nth) AS (SELECT 1 UNION ALL SELECT nth + 1 FROM n WHERE nth < {others}) \
         SELECT 'other ' || nth, 'network ' || nth, 'eu', {now}, {now} FROM n",
        now = NOW.0
    ))
    .await;
    let second = hub.second_hub().await.unwrap();
    let strangers = (0..8_u128).map(|nth| IpAddr::from(Ipv6Addr::from_bits(nth << 64)));
    let announcements = strangers.enumerate().map(|(nth, from)| {
        let at = if nth % 2 == 0 { hub.store.clone() } else { second.clone() };
        tokio::spawn(async move {
            at.announce_server(from, &format!("stranger {nth}"), &region("eu"), &Registration::default(), NOW).await
        })
    });
    let mut full = 0;
    for announcement in announcements.collect::<Vec<_>>() {
        full += usize::from(announcement.await.unwrap().unwrap() == Announced::ListFull);
    }
    assert_eq!((full, listed(&hub, NOW).await.len() as u32), (6, MAX_OPEN_SERVERS));
    // Those that were silent for a day make room.
    assert_eq!(announce(&hub, "198.51.100.1", "new", NOW + seconds(DAY)).await.unwrap(), Announced::Listed);
}

async fn a_probe_takes_the_place_of_a_server_of_its_name(hub: TestStore) {
    announce(&hub, HERE, "w1", NOW).await.unwrap();
    hub.enrolled("w1", &region("eu"), NOW).await;
    assert_eq!(listed(&hub, NOW).await, []);
    let again = announce(&hub, HERE, "w1", NOW).await;
    assert!(matches!(again, Err(StoreError::Conflict(Conflict::ServerIdTaken))), "{again:?}");
}
