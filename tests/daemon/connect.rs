//! `/connect` of a hub: a client of EasyTier that has its URL as a peer.

use easytier_probe::Scheme;

use crate::{
    http,
    program::Folder,
    standalone::await_health,
    support::{current_node::CurrentNodeOptions, node::NodeOptions},
    until,
};

#[tokio::test]
async fn a_client_joins_the_node_that_connect_gives_it_and_a_hub_that_watches_its_own_url_makes_no_loop() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    let folder = Folder::new();
    let hub = folder.start(&[]).await;
    let (address, connect) = (node.url(Scheme::Tcp).to_string(), format!("{}/connect", hub.url));
    folder.run(&["hub", "peer", "add", &address]).await;
    await_health(&hub, &address, "healthy").await;

    folder.run(&["hub", "peer", "add", &connect]).await;
    await_health(&hub, &connect, "healthy").await;
    // The other node that is online now leads back here, and is given to nobody.
    let (status, text) = http::get(&format!("{connect}?format=text&count=2")).await;
    assert_eq!((status, text), (200, format!("{address}\n")));

    // The crate's version, 2.0.3, reads no http URLs; 2.6.4 does.
    let own = NodeOptions { network_name: "a-guest".to_owned(), ..NodeOptions::listening_on(&[Scheme::Tcp]) };
    let client = CurrentNodeOptions { node: own, peers: vec![connect], ..CurrentNodeOptions::listening_on(&[]) };
    let _client = client.start();
    until("the client's network at the node", async || node.foreign_networks().iter().any(|name| name == "a-guest"))
        .await;
    hub.stop().await;
}
