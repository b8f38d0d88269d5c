//! The resolver of peer URLs.

use std::{collections::HashSet, net::SocketAddr, path::Path};

use futures::{FutureExt, future::join_all};
use tokio::time::Instant;
use tracing::debug;

use super::{
    chain::Chain,
    dns::{Dns, Lookups, Question},
    failures::Failures,
    interleave::interleave,
    permitted::permitted_addresses,
    records,
    system_files::SystemFiles,
    web::{Web, WebRequest},
    yielded::{MAX_YIELDED_URLS, NodeUrl, Yielded, unsupported_protocol},
};
use crate::{Access, AddressPolicy, Blame, Failure, FailureCode, Origin, Peer, PeerUrl, Scheme, Transport};

/// The maximum number of targets of one peer. A peer with more addresses is checked at these only.
pub const MAX_TARGETS: usize = 16;

/// One node to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The URL of the node. A virtual host may decide by its host and path.
    pub url: PeerUrl,
    /// The transport that the URL names.
    pub transport: Transport,
    /// The address to connect to.
    pub address: SocketAddr,
}

/// What a peer's URL stands for.
#[derive(Debug)]
pub struct Resolved {
    /// The nodes to connect to: at least one and at most [`MAX_TARGETS`], each at a permitted address.
    pub targets: Vec<Target>,
    /// The answers of the DNS that led to them.
    pub answers: DnsAnswers,
}

/// The answers of the DNS that led to some targets, for [`Resolver::forget`].
#[derive(Debug)]
pub struct DnsAnswers(Vec<Question>);

/// Finds the addresses that a peer's URL stands for. Creating one is cheap: configuration is read when the first URL needs
/// it, and read again when it has changed.
pub struct Resolver {
    policy: AddressPolicy,
    dns: Dns,
    web: Web,
}

/// Which addresses are permitted.
#[derive(Clone, Copy)]
struct Policies {
    /// For the host of the peer's own URL.
    own: AddressPolicy,
    /// For the hosts of the URLs that it yields, which a stranger may control.
    yielded: AddressPolicy,
}

impl Resolver {
    /// Resolves names as the system does: with `/etc/hosts`, then the name servers of `/etc/resolv.conf`.
    pub fn system(policy: AddressPolicy) -> Self {
        Self::with_dns(policy, Dns::of_machine(SystemFiles::default()))
    }

    /// As [`system`](Self::system), with other files in place of `/etc/resolv.conf` and `/etc/hosts`.
    pub fn with_files(policy: AddressPolicy, resolv_conf: &Path, hosts: &Path) -> Self {
        let files = SystemFiles { resolv_conf: resolv_conf.to_owned(), hosts: hosts.to_owned() };
        Self::with_dns(policy, Dns::of_machine(files))
    }

    /// Resolves names with these name servers only, over UDP and TCP.
    pub fn with_name_servers(policy: AddressPolicy, servers: &[SocketAddr]) -> Self {
        Self::with_dns(policy, Dns::of_name_servers(servers))
    }

    fn with_dns(policy: AddressPolicy, dns: Dns) -> Self {
        Self { policy, dns, web: Web::default() }
    }

    /// What the URL of `peer` stands for. It ends before `deadline`.
    ///
    /// The answers of the DNS may be up to 5 minutes old; those that lead to a failure here are not used again.
    ///
    /// # Errors
    ///
    /// When a name cannot be resolved, a web server or the DNS yields no URL of a node, no address is permitted, or this
    /// library does not speak the protocol.
    pub async fn resolve(&self, peer: &Peer, deadline: Instant) -> Result<Resolved, Failure> {
        let lookups = self.dns.lookups(deadline);
        let targets = self.targets_of_peer(peer, &lookups).await;
        let answers = DnsAnswers(lookups.questions());
        match targets {
            Ok(targets) => Ok(Resolved { targets, answers }),
            Err(failure) => {
                self.forget(&answers);
                // Everywhere a stranger's peer at such an address is refused, so that is the peer's own fault.
                match (failure.code, peer.origin) {
                    (FailureCode::ForbiddenAddress, Origin::Submitted) => Err(failure.blamed_on(Blame::Peer)),
                    _ => Err(failure),
                }
            }
        }
    }

    /// Forgets these answers, so that the next check asks a name server: for a check that failed, because the node may have
    /// another address now.
    pub fn forget(&self, answers: &DnsAnswers) {
        self.dns.forget(&answers.0);
    }

    async fn targets_of_peer(&self, peer: &Peer, lookups: &Lookups<'_>) -> Result<Vec<Target>, Failure> {
        let policies = match peer.origin {
            Origin::Local => Policies { own: AddressPolicy::ANY, yielded: self.policy },
            Origin::Remote => Policies { own: self.policy, yielded: self.policy },
            Origin::Submitted => Policies { own: AddressPolicy::PUBLIC_ONLY, yielded: AddressPolicy::PUBLIC_ONLY },
        };
        let scheme = peer.url.scheme().ok_or_else(|| unsupported_protocol(&peer.url))?;
        match scheme.transport() {
            Some(transport) => self.targets(&NodeUrl { url: peer.url.clone(), transport }, policies.own, lookups).await,
            // Its type is erased, because the compiler gives up on the types of futures that are nested too deeply.
            None => self.follow(peer, policies, lookups).boxed().await,
        }
    }

    /// Follows the URL of `peer` through web servers and DNS records until one yields the URL of a node with a target.
    ///
    /// A client takes one of the yielded URLs at random. Here the URLs of nodes come first, and only without any target of
    /// theirs are the others followed.
    async fn follow(&self, peer: &Peer, policies: Policies, lookups: &Lookups<'_>) -> Result<Vec<Target>, Failure> {
        let network_name = match &peer.access {
            Access::Member(network) => network.network_name.clone(),
            // A guest comes with a throw-away network of its own.
            Access::Guest => format!("{:016x}", rand::random::<u64>()),
        };
        let mut failures = Failures::default();
        let mut chain = Chain::of(&peer.url);
        let mut level = vec![peer.url.clone()];
        let mut policy = policies.own;
        while !level.is_empty() {
            let results = join_all(level.iter().map(|url| self.yielded(url, policy, &network_name, lookups))).await;
            let mut nodes: Vec<NodeUrl> = Vec::new();
            let mut next = Vec::new();
            for (url, result) in level.iter().zip(results) {
                match result {
                    Ok(yielded) => {
                        debug!(%url, ?yielded, "yielded");
                        nodes.extend(yielded.nodes);
                        for indirect in yielded.indirect {
                            match chain.add(url, indirect) {
                                Ok(indirect) => next.push(indirect),
                                Err(failure) => failures.add(failure),
                            }
                        }
                    }
                    Err(failure) => failures.add(failure),
                }
            }
            nodes.truncate(MAX_YIELDED_URLS);
            let targets = self.targets_of_all(&nodes, policies.yielded, lookups, &mut failures).await;
            if !targets.is_empty() {
                return Ok(targets);
            }
            (level, policy) = (next, policies.yielded);
        }
        Err(failures.into_failure())
    }

    /// The URLs that an http, https, txt or srv URL yields.
    async fn yielded(
        &self,
        url: &PeerUrl,
        policy: AddressPolicy,
        network_name: &str,
        lookups: &Lookups<'_>,
    ) -> Result<Yielded, Failure> {
        let host = url.host().ok_or_else(|| unsupported_protocol(url))?;
        match url.scheme() {
            Some(Scheme::Txt) => records::txt(lookups, &host.to_string()).await,
            Some(Scheme::Srv) => records::srv(lookups, &host.to_string()).await,
            // As a trait object, because a web client's futures are nested as deep as the compiler allows.
            _ => self.web.yielded(WebRequest { url, host, policy, network_name, lookups }).boxed().await,
        }
    }

    /// The targets of yielded URLs.
    async fn targets_of_all(
        &self,
        nodes: &[NodeUrl],
        policy: AddressPolicy,
        lookups: &Lookups<'_>,
        failures: &mut Failures,
    ) -> Vec<Target> {
        let mut found = Vec::new();
        for result in join_all(nodes.iter().map(|node| self.targets(node, policy, lookups))).await {
            match result {
                Ok(targets) => found.push(targets),
                Err(failure) => failures.add(failure),
            }
        }
        limited(interleave(found))
    }

    async fn targets(
        &self,
        node: &NodeUrl,
        policy: AddressPolicy,
        lookups: &Lookups<'_>,
    ) -> Result<Vec<Target>, Failure> {
        let NodeUrl { url, transport } = node;
        let host = url.host().ok_or_else(|| unsupported_protocol(url))?;
        let port = url.port().unwrap_or(transport.default_port());
        let addresses = permitted_addresses(lookups, host, policy).await?;
        let target = |ip| Target { url: url.clone(), transport: *transport, address: SocketAddr::new(ip, port) };
        Ok(limited(addresses.into_iter().map(target).collect()))
    }
}

/// Removes duplicates, and the targets beyond the first [`MAX_TARGETS`].
fn limited(mut targets: Vec<Target>) -> Vec<Target> {
    let mut seen = HashSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    targets.truncate(MAX_TARGETS);
    targets
}
