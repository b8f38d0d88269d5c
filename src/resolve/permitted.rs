//! The addresses of a host that the policy permits.

use std::net::IpAddr;

use url::Host;

use super::{dns::Lookups, quote::quote};
use crate::{AddressPolicy, Blame, Failure, FailureCode, address::AddressKind};

/// The addresses of `host` that `policy` permits, at least one.
pub(super) async fn permitted_addresses(
    lookups: &Lookups<'_>,
    host: &Host,
    policy: AddressPolicy,
) -> Result<Vec<IpAddr>, Failure> {
    let addresses = match host {
        Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
        Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
        Host::Domain(name) => lookups.addresses(name).await?,
    };
    let (permitted, refused): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|ip| policy.permits(*ip));
    match refused.first() {
        Some(first) if permitted.is_empty() => Err(refusal(host, *first)),
        _ => Ok(permitted),
    }
}

fn refusal(host: &Host, address: IpAddr) -> Failure {
    let subject = match host {
        Host::Domain(name) => format!("{} has the address {address},", quote(name)),
        _ => format!("{address} is"),
    };
    let reason = match AddressKind::of(address) {
        AddressKind::Private => {
            "a private address; ALLOW_PRIVATE_PEERS=true would allow it, but not for a stranger's peer"
        }
        AddressKind::Local => {
            "a loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true would allow it, but not for a stranger's peer"
        }
        AddressKind::Unusable | AddressKind::Public => {
            "an unusable address (unspecified, multicast, broadcast or reserved): no node can be there"
        }
    };
    let failure = Failure::new(FailureCode::ForbiddenAddress, format!("{subject} {reason}"));
    match AddressKind::of(address) {
        // Every probe refuses it.
        AddressKind::Unusable => failure.blamed_on(Blame::Peer),
        _ => failure,
    }
}
