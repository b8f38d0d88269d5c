//! From a peer's URL to the addresses to connect to, and which of them are allowed.
//!
//! A URL of a transport scheme is its host's addresses. An http, https, txt or srv URL yields such URLs first, once:
//! what it yields is a stranger's word, so the address policy holds for it whoever named the peer.

mod dns;
mod records;
mod web;

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::future::join_all;
use tracing::debug;
use url::Host;

use self::{dns::Dns, web::Web};
use crate::{AddressPolicy, Failure, FailureCode, Origin, PeerUrl, Scheme, address::AddressKind};

/// The most targets of one peer. A peer with more addresses is checked at these alone.
pub const MAX_TARGETS: usize = 16;

/// The most URLs that are taken from what one http, https, txt or srv URL yields.
pub const MAX_YIELDED_URLS: usize = 16;

/// The longest part of a stranger's text in a message, in characters.
const MAX_QUOTE_CHARS: usize = 80;

/// One node to dial: the URL it is known by, and the very address decided on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// A URL of a transport scheme (tcp, udp, ws, wss, wg, quic), whose host a virtual host may decide by.
    pub url: PeerUrl,
    pub address: SocketAddr,
}

/// Finds the addresses that a peer's URL stands for. Making one costs nothing: configuration is read, and the web
/// client made, when the first URL needs them.
pub struct Resolver {
    policy: AddressPolicy,
    dns: Arc<Dns>,
    /// Asks the web servers that a person at this machine named.
    local_web: Web,
    /// Asks the web servers that a backend named, if the policy permits their addresses.
    remote_web: Web,
    /// Asks the web servers that a stranger named, at public addresses only.
    public_web: Web,
}

impl Resolver {
    /// Asks as the system does: `/etc/hosts`, then the name servers of `/etc/resolv.conf`.
    pub fn system(policy: AddressPolicy) -> Self {
        Self::with_dns(policy, Dns::system())
    }

    /// Asks these name servers only, over UDP and TCP.
    pub fn with_name_servers(policy: AddressPolicy, servers: &[SocketAddr]) -> Self {
        Self::with_dns(policy, Dns::with_name_servers(servers))
    }

    fn with_dns(policy: AddressPolicy, dns: Dns) -> Self {
        let dns = Arc::new(dns);
        Self {
            policy,
            local_web: Web::new(dns.clone(), AddressPolicy::ANY),
            remote_web: Web::new(dns.clone(), policy),
            public_web: Web::new(dns.clone(), AddressPolicy::PUBLIC_ONLY),
            dns,
        }
    }

    /// The targets that `url` stands for, at least one and at most [`MAX_TARGETS`], each at a permitted address.
    pub async fn resolve(&self, url: &PeerUrl, origin: Origin) -> Result<Vec<Target>, Failure> {
        let (own_policy, yield_policy, web) = match origin {
            Origin::Local => (AddressPolicy::ANY, self.policy, &self.local_web),
            Origin::Remote => (self.policy, self.policy, &self.remote_web),
            Origin::Submitted => (AddressPolicy::PUBLIC_ONLY, AddressPolicy::PUBLIC_ONLY, &self.public_web),
        };
        let yielded = match url.scheme() {
            Scheme::Http | Scheme::Https => web.ask(url).await?,
            Scheme::Txt => records::txt(&self.dns, url.host()).await?,
            Scheme::Srv => records::srv(&self.dns, url.host()).await?,
            _ => return self.targets(url, own_policy).await,
        };
        debug!(url = %shown(url), yielded = ?yielded.iter().map(shown).collect::<Vec<_>>(), "yielded");
        self.targets_of_all(&yielded, yield_policy).await
    }

    /// The targets of the URLs that another one yielded; a failure only when none of them has any.
    async fn targets_of_all(&self, urls: &[PeerUrl], policy: AddressPolicy) -> Result<Vec<Target>, Failure> {
        let mut found = Vec::new();
        let mut first_failure = None;
        for result in join_all(urls.iter().map(|url| self.targets(url, policy))).await {
            match result {
                Ok(targets) => found.push(targets),
                Err(failure) => {
                    debug!(%failure, "a yielded URL has no target");
                    first_failure.get_or_insert(failure);
                }
            }
        }
        match first_failure {
            Some(failure) if found.is_empty() => Err(failure),
            _ => Ok(bounded(in_turn(found))),
        }
    }

    /// The targets of one URL of a transport scheme.
    async fn targets(&self, url: &PeerUrl, policy: AddressPolicy) -> Result<Vec<Target>, Failure> {
        let port = url.port().expect("every transport scheme has a default port");
        let addresses = permitted(&self.dns, url.host(), policy).await?;
        let target = |ip| Target { url: url.clone(), address: SocketAddr::new(ip, port) };
        Ok(bounded(addresses.into_iter().map(target).collect()))
    }
}

/// The addresses of `host` that `policy` permits, at least one.
async fn permitted(dns: &Dns, host: &Host, policy: AddressPolicy) -> Result<Vec<IpAddr>, Failure> {
    let addresses = match host {
        Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
        Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
        Host::Domain(name) => dns.addresses(name).await?,
    };
    let (permitted, refused): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|ip| policy.permits(*ip));
    match refused.first() {
        Some(first) if permitted.is_empty() => Err(refusal(host, *first)),
        _ => Ok(permitted),
    }
}

fn refusal(host: &Host, address: IpAddr) -> Failure {
    let what = match host {
        Host::Domain(name) => format!("{} lies at {address},", quoted(name)),
        _ => format!("{address} is"),
    };
    let why = match AddressKind::of(address) {
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
    Failure::new(FailureCode::ForbiddenAddress, format!("{what} {why}"))
}

/// The URLs of nodes among `texts`, the first [`MAX_YIELDED_URLS`] of them. What is no peer URL is skipped.
///
/// `source` says in words where the texts are from, for when there is none.
fn node_urls<'a>(source: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<PeerUrl>, Failure> {
    let mut urls: Vec<PeerUrl> = Vec::new();
    let mut indirect = None;
    for url in texts.into_iter().filter_map(|text| text.parse::<PeerUrl>().ok()) {
        if url.scheme().is_indirect() {
            indirect.get_or_insert(url);
        } else if urls.len() < MAX_YIELDED_URLS && !urls.contains(&url) {
            urls.push(url);
        }
    }
    let problem = match indirect {
        _ if !urls.is_empty() => return Ok(urls),
        None => "no URL of a node (such as tcp://host:11010) in it".to_owned(),
        Some(url) => format!("{} would have to be resolved in turn; only URLs of nodes are taken", shown(&url)),
    };
    Err(Failure::new(FailureCode::ResolverFailed, format!("{source}: {problem}")))
}

/// The first of every list, then the second of every list, and so on: what is cut short keeps some of every list.
fn in_turn<T>(lists: impl IntoIterator<Item = Vec<T>>) -> Vec<T> {
    let mut ranked: Vec<(usize, T)> = lists.into_iter().flat_map(|list| list.into_iter().enumerate()).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}

/// Without repetitions, and no more than a check takes on.
fn bounded(mut targets: Vec<Target>) -> Vec<Target> {
    let mut seen = HashSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    targets.truncate(MAX_TARGETS);
    targets
}

/// The URL as messages and traces show it: without its query, where people put tokens.
fn shown(url: &PeerUrl) -> String {
    without_query(&url.to_string())
}

/// A URL in a stranger's spelling, shown likewise.
fn without_query(url: &str) -> String {
    quoted(url.split(['?', '#']).next().unwrap_or_default())
}

/// A stranger's text, short enough for a message.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
