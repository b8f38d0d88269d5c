//! Answers of a proxy on this machine instead of the DNS.

use std::net::IpAddr;

use super::quote::quote;
use crate::{Failure, FailureCode};

/// The last labels of names that are not looked up in the public DNS (RFC 6761, 6762, 8375, 9476).
const OWN_NAMES: [&str; 7] = ["test", "example", "localhost", "local", "internal", "lan", "arpa"];

/// `addresses` of `name` without those of 198.18.0.0/15, if `name` is public.
///
/// Nobody on the Internet has these addresses (RFC 2544). Proxies such as Clash answer with them for every name when their
/// "fake IP" mode is on, and take what is sent there. A check through such a proxy says nothing about the peer.
///
/// # Errors
///
/// If no other address is left.
pub(super) fn without_proxy_answers(name: &str, mut addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Failure> {
    if !is_public(name) {
        return Ok(addresses);
    }
    let first = addresses.first().copied();
    addresses.retain(|address| !is_of_proxy(*address));
    match first {
        Some(address) if addresses.is_empty() => {
            let message = format!(
                "{} has the address {address}, which a proxy on this probe's machine or network has made up (fake-IP \
                 DNS); exclude this probe from the proxy",
                quote(name)
            );
            Err(Failure::new(FailureCode::ProbeUnreachable, message))
        }
        _ => Ok(addresses),
    }
}

fn is_of_proxy(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if matches!(v4.octets(), [198, 18..=19, ..]))
}

fn is_public(name: &str) -> bool {
    let labels = name.trim_end_matches('.').rsplit_once('.');
    labels.is_some_and(|(_, last)| !OWN_NAMES.contains(&last.to_ascii_lowercase().as_str()))
}
