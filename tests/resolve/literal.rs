//! Addresses in the URL itself.

use easytier_probe::{AddressPolicy, FailureCode, Origin, Resolver};

use crate::support::{refused, resolved};

#[tokio::test]
async fn a_literal_address_needs_no_name_server() {
    let resolver = Resolver::with_name_servers(AddressPolicy::PUBLIC_ONLY, &[]);

    assert_eq!(resolved(&resolver, "tcp://127.0.0.1", Origin::Local).await, ["tcp 127.0.0.1:11010"]);
    assert_eq!(resolved(&resolver, "udp://[::1]:1", Origin::Local).await, ["udp [::1]:1"]);
    assert_eq!(resolved(&resolver, "wss://8.8.8.8/x", Origin::Remote).await, ["wss 8.8.8.8:443"]);
}

#[tokio::test]
async fn a_remote_address_is_refused_with_the_setting_that_would_allow_it() {
    let resolver = Resolver::with_name_servers(AddressPolicy::PUBLIC_ONLY, &[]);
    let refusals = [
        ("tcp://192.168.1.5", "private address; ALLOW_PRIVATE_PEERS=true"),
        ("tcp://[fd00::1]", "private address; ALLOW_PRIVATE_PEERS=true"),
        ("tcp://127.0.0.1", "loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true"),
        ("tcp://169.254.169.254", "loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true"),
        ("tcp://[::ffff:127.0.0.1]", "loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true"),
        ("tcp://255.255.255.255", "unusable address"),
    ];
    for (url, words) in refusals {
        let failure = refused(&resolver, url, Origin::Remote).await;
        assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{url}");
        assert!(failure.message.contains(words), "{url}: {failure}");
    }
}

#[tokio::test]
async fn an_unusable_address_is_refused_whoever_typed_it() {
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[]);
    for url in ["tcp://0.0.0.0:11010", "udp://[::]:11010", "tcp://224.0.0.1:11010"] {
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{url}");
        assert!(failure.message.contains("no node can be there"), "{failure}");
    }
}

#[tokio::test]
async fn localhost_is_known_to_every_system() {
    let resolver = Resolver::system(AddressPolicy::PUBLIC_ONLY);

    let targets = resolved(&resolver, "tcp://localhost:1", Origin::Local).await;
    assert!(targets.contains(&"tcp 127.0.0.1:1".to_owned()), "{targets:?}");

    let failure = refused(&resolver, "tcp://localhost:1", Origin::Remote).await;
    assert_eq!(failure.code, FailureCode::ForbiddenAddress);
}
