//! The addresses of a host that a channel may lead to.

use std::net::{IpAddr, SocketAddr};

use easytier_probe::AddressPolicy;
use tokio::net::lookup_host;

use crate::Outcome;

/// The addresses of `host` that `policy` permits, at least one.
pub(super) async fn permitted(host: &str, port: u16, policy: AddressPolicy) -> Result<Vec<SocketAddr>, Outcome> {
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let found: Vec<SocketAddr> = match literal {
        Some(ip) => vec![SocketAddr::new(ip, port)],
        None => lookup_host((host, port))
            .await
            .map_err(|error| Outcome::retry(format!("the name {host} cannot be looked up: {error}")))?
            .collect(),
    };
    if found.is_empty() {
        return Err(Outcome::retry(format!("the name {host} has no address")));
    }
    let permitted: Vec<SocketAddr> = found.into_iter().filter(|address| policy.permits(address.ip())).collect();
    match permitted.is_empty() {
        true => Err(Outcome::refused(format!("{host} is in a network that only a channel of an admin may lead to"))),
        false => Ok(permitted),
    }
}
