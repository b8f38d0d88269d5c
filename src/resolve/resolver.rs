//! The resolver of peer URLs.

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use futures::future::join_all;
use tracing::debug;

use super::{
    dns::Dns, interleave::interleave, node_url::NodeUrl, permitted::permitted_addresses, quote::quote_url, records,
    web::Web,
};
use crate::{AddressPolicy, Blame, Failure, FailureCode, Origin, PeerUrl, Scheme, Transport};

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

/// Finds the addresses that a peer's URL stands for. Creating one is cheap: configuration is read and web clients are
/// created when the first URL needs them.
pub struct Resolver {
    policy: AddressPolicy,
    dns: Arc<Dns>,
    /// For web servers that a person at this machine named.
    local_web: Web,
    /// For web servers that a backend named; the policy must permit their addresses.
    remote_web: Web,
    /// For web servers that a stranger named; only public addresses are permitted.
    public_web: Web,
}

impl Resolver {
    /// Resolves names as the system does: with `/etc/hosts`, then the name servers of `/etc/resolv.conf`.
    pub fn system(policy: AddressPolicy) -> Self {
        Self::with_dns(policy, Dns::system())
    }

    /// Resolves names with these name servers only, over UDP and TCP.
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
    ///
    /// # Errors
    ///
    /// When a name cannot be resolved, a web server or the DNS yields no URL of a node, or no address is permitted.
    pub async fn resolve(&self, url: &PeerUrl, origin: Origin) -> Result<Vec<Target>, Failure> {
        self.permitted_targets(url, origin).await.map_err(|failure| match (failure.code, origin) {
            // Everywhere a stranger's peer at such an address is refused, so that is the peer's own fault.
            (FailureCode::ForbiddenAddress, Origin::Submitted) => failure.blamed_on(Blame::Peer),
            _ => failure,
        })
    }

    async fn permitted_targets(&self, url: &PeerUrl, origin: Origin) -> Result<Vec<Target>, Failure> {
        let (own_policy, yield_policy, web) = match origin {
            Origin::Local => (AddressPolicy::ANY, self.policy, &self.local_web),
            Origin::Remote => (self.policy, self.policy, &self.remote_web),
            Origin::Submitted => (AddressPolicy::PUBLIC_ONLY, AddressPolicy::PUBLIC_ONLY, &self.public_web),
        };
        let nodes = match (url.scheme(), url.scheme().transport()) {
            (_, Some(transport)) => return self.targets(&NodeUrl { url: url.clone(), transport }, own_policy).await,
            (Scheme::Txt, None) => records::txt(&self.dns, url.host()).await?,
            (Scheme::Srv, None) => records::srv(&self.dns, url.host()).await?,
            (_, None) => web.node_urls(url).await?,
        };
        let shown = |url: &PeerUrl| quote_url(&url.to_string());
        debug!(url = shown(url), nodes = ?nodes.iter().map(|node| shown(&node.url)).collect::<Vec<_>>(), "yielded");
        self.targets_of_all(&nodes, yield_policy).await
    }

    /// The targets of yielded URLs. Fails only if none of the URLs has a target.
    async fn targets_of_all(&self, nodes: &[NodeUrl], policy: AddressPolicy) -> Result<Vec<Target>, Failure> {
        let mut found = Vec::new();
        let mut first_failure = None;
        for result in join_all(nodes.iter().map(|node| self.targets(node, policy))).await {
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
            _ => Ok(limited(interleave(found))),
        }
    }

    async fn targets(&self, node: &NodeUrl, policy: AddressPolicy) -> Result<Vec<Target>, Failure> {
        let NodeUrl { url, transport } = node;
        let port = url.port().unwrap_or(transport.default_port());
        let addresses = permitted_addresses(&self.dns, url.host(), policy).await?;
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
