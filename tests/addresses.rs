//! The address policy: the kind of an address, and whether it is permitted.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use easytier_probe::{
    AddressPolicy,
    address::AddressKind::{self, Local, Private, Public, Unusable},
};
use proptest::prelude::*;

#[track_caller]
fn assert_kind(expected: AddressKind, addresses: &[&str]) {
    for address in addresses {
        assert_eq!(AddressKind::of(address.parse().unwrap()), expected, "{address}");
    }
}

#[test]
fn public_addresses_are_public_up_to_the_edges_of_the_other_ranges() {
    let v4 = ["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"];
    let more_v4 = ["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"];
    let v6 = ["2000::", "2001:200::", "2606:4700::1111", "2a00::1", "3ffe:ffff::", "3fff:1000::"];
    assert_kind(Public, &v4);
    assert_kind(Public, &more_v4);
    assert_kind(Public, &["192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15"]);
    assert_kind(Public, &v6);
}

#[test]
fn private_ranges_are_private_from_edge_to_edge() {
    assert_kind(Private, &["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"]);
    assert_kind(Private, &["192.168.255.255", "100.64.0.0", "100.127.255.255"]);
    assert_kind(Private, &["fc00::", "fdff:ffff::1", "fec0::1", "feff::1", "64:ff9b:1::7f00:1"]);
}

#[test]
fn documentation_and_assignment_ranges_are_not_public() {
    assert_kind(Private, &["192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.0", "198.19.255.255"]);
    assert_kind(Private, &["2001::1", "2001:1ff::1", "2001:db8::1", "3fff::1", "3fff:fff::1"]);
}

#[test]
fn loopback_and_link_local_are_local() {
    assert_kind(Local, &["127.0.0.0", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.255.255"]);
    assert_kind(Local, &["::1", "fe80::", "febf:ffff::1"]);
}

#[test]
fn metadata_services_are_local_in_every_cloud() {
    assert_kind(Local, &["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]);
    assert_kind(Local, &["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"]);
}

#[test]
fn addresses_that_are_no_single_host_are_unusable() {
    assert_kind(Unusable, &["0.0.0.0", "0.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1"]);
    assert_kind(Unusable, &["255.255.255.255", "::", "::2", "::ffff", "ff02::1", "100::1", "1fff::1", "4000::1"]);
}

#[test]
fn an_embedded_ipv4_address_decides() {
    assert_kind(Local, &["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "::ffff:0:7f00:1"]);
    assert_kind(Local, &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]);
    assert_kind(Private, &["::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::192.168.1.1", "2002:c0a8:101::1"]);
    assert_kind(Public, &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]);
    assert_kind(Unusable, &["::ffff:0.0.0.0", "64:ff9b::255.255.255.255"]);
}

#[test]
fn each_setting_permits_its_own_kind_and_nothing_permits_the_unusable() {
    let policies = [(false, false), (true, false), (false, true), (true, true)];
    for (allow_private, allow_local) in policies {
        let policy = AddressPolicy { allow_private, allow_local };
        let permits = |address: &str| policy.permits(address.parse().unwrap());
        assert!(permits("8.8.8.8"), "{policy:?}");
        assert_eq!(permits("192.168.1.1"), allow_private, "{policy:?}");
        assert_eq!(permits("127.0.0.1"), allow_local, "{policy:?}");
        assert!(!permits("0.0.0.0"), "{policy:?}");
    }
}

/// Addresses near the special ranges, which uniformly random ones hardly ever hit.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let first = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![0, 10, 100, 127, 168, 169, 172, 192, 198, 203, 223, 224, 240, 255])
    ];
    let second = prop_oneof![any::<u8>(), prop::sample::select(vec![0, 16, 31, 51, 63, 64, 100, 127, 168, 254])];
    (first, second, any::<u8>(), any::<u8>()).prop_map(|(a, b, c, d)| Ipv4Addr::new(a, b, c, d))
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    let first = prop_oneof![
        any::<u16>(),
        prop::sample::select(vec![
            0, 0x64, 0x100, 0x2001, 0x2002, 0x3fff, 0x4000, 0xfc00, 0xfd00, 0xfe80, 0xfec0, 0xff02
        ])
    ];
    (first, any::<[u16; 7]>()).prop_map(|(first, [b, c, d, e, f, g, h])| Ipv6Addr::new(first, b, c, d, e, f, g, h))
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![v4().prop_map(IpAddr::V4), v6().prop_map(IpAddr::V6)]
}

proptest! {
    #[test]
    fn agrees_with_the_standard_library_on_ipv4(ip in v4()) {
        let kind = AddressKind::of(ip.into());
        if ip.is_loopback() || ip.is_link_local() {
            prop_assert_eq!(kind, Local);
        } else if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
            prop_assert_eq!(kind, Unusable);
        } else if ip.is_private() || ip.is_documentation() {
            prop_assert_eq!(kind, Private);
        }
    }

    #[test]
    fn agrees_with_the_standard_library_on_ipv6(ip in v6()) {
        let kind = AddressKind::of(ip.into());
        if ip.is_unicast_link_local() {
            prop_assert_eq!(kind, Local);
        } else if ip.is_multicast() {
            prop_assert_eq!(kind, Unusable);
        } else if ip.is_unique_local() {
            prop_assert!(kind == Private || kind == Local);
        }
    }

    #[test]
    fn only_global_unicast_ipv6_is_public(ip in v6()) {
        let global_unicast = ip.segments()[0] & 0xe000 == 0x2000;
        let embeds_ipv4 = ip.segments()[0] == 0x64 || ip.segments()[0] == 0;
        prop_assume!(!global_unicast && !embeds_ipv4);
        prop_assert_ne!(AddressKind::of(ip.into()), Public);
    }

    #[test]
    fn every_embedding_is_of_the_kind_of_its_ipv4_address(ip in v4()) {
        let [a, b, c, d] = ip.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let embeddings = [
            ip.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ];
        for v6 in embeddings {
            prop_assert_eq!(AddressKind::of(v6.into()), AddressKind::of(ip.into()), "{}", v6);
        }
    }

    #[test]
    fn any_permits_all_usable_addresses_and_public_only_no_more_than_any_policy(
        address in address(),
        allow_private: bool,
        allow_local: bool,
    ) {
        let policy = AddressPolicy { allow_private, allow_local };
        prop_assert_eq!(AddressPolicy::ANY.permits(address), AddressKind::of(address) != Unusable);
        prop_assert_eq!(AddressPolicy::PUBLIC_ONLY.permits(address), AddressKind::of(address) == Public);
        prop_assert!(policy.permits(address) <= AddressPolicy::ANY.permits(address));
        prop_assert!(AddressPolicy::PUBLIC_ONLY.permits(address) <= policy.permits(address));
    }
}
