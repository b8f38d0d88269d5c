//! Peer URLs from a web server that redirects to them or lists them.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rand::seq::SliceRandom;
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use tokio::sync::OnceCell;
use tracing::debug;
use url::{Host, Url};

use super::{
    dns::Dns,
    node_url::{NodeUrl, node_urls},
    permitted::permitted_addresses,
    quote::{quote, quote_url},
};
use crate::{
    AddressPolicy, EASYTIER_VERSION, Failure, FailureCode, PeerUrl,
    text::{causes, root_cause},
    tls,
};

/// The time that a web server has, from the connection to the end of the body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest list that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A client that connects only to addresses that the policy permits.
pub(super) struct Web {
    names: PermittedNames,
    /// Made at the first request: it loads the certificates that the system trusts.
    client: OnceCell<Client>,
}

impl Web {
    pub(super) fn new(dns: Arc<Dns>, policy: AddressPolicy) -> Self {
        Self { names: PermittedNames { dns, policy }, client: OnceCell::new() }
    }

    /// The URLs of nodes that the web server at `url` redirects to, or lists.
    pub(super) async fn node_urls(&self, url: &PeerUrl) -> Result<Vec<NodeUrl>, Failure> {
        // The client only resolves names, so the policy must be applied to an address here.
        if url.ip().is_some() {
            self.names.permitted(url.host()).await?;
        }
        let server = quote_url(&url.to_string());
        let client = self.client.get_or_try_init(|| async { new_client(self.names.clone()) }).await?;
        let response = client.get(url.to_string()).send().await.map_err(|error| failure(&server, error))?;

        let status = response.status();
        debug!(url = server, %status, "the web server answered");
        if status.is_redirection() {
            from_location(&server, &response)
        } else if status.is_success() {
            from_list(&server, &body(&server, response).await?)
        } else {
            Err(resolver_failed(format!("{server} answered {status}, neither a redirect nor a list of peer URLs")))
        }
    }
}

fn new_client(names: PermittedNames) -> Result<Client, Failure> {
    let unusable = |cause: &str| {
        let message = format!("no web client: {}; install the CA certificates of your system", quote(cause));
        Failure::new(FailureCode::Internal, message)
    };
    let tls = tls::for_web_servers().map_err(|error| unusable(&error.to_string()))?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(names)
        .redirect(redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT)
        // A proxy would resolve names itself, and bypass the policy.
        .no_proxy()
        // A check leaves no connection open, and the next check resolves the name again.
        .pool_max_idle_per_host(0)
        .user_agent(format!("easytier/{EASYTIER_VERSION} easytier-uptime/{}", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unusable(&root_cause(&error)))
}

/// The URLs in a redirect, read as an EasyTier client reads them. The redirect is never followed.
fn from_location(server: &str, response: &Response) -> Result<Vec<NodeUrl>, Failure> {
    let status = response.status();
    let Some(location) = response.headers().get(header::LOCATION) else {
        return Err(resolver_failed(format!("{server} answered {status} without a Location")));
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let source = format!("{server} redirects to {}, which is not followed", quote_url(&location));
    node_urls(&source, peer_urls_in(&location).iter().map(String::as_str))
}

/// The texts in a `Location` that may be peer URLs.
fn peer_urls_in(location: &str) -> Vec<String> {
    let Some(("http" | "https", after_scheme)) = location.split_once("://") else {
        return vec![location.to_owned()];
    };
    let in_query: Vec<String> = Url::parse(location)
        .iter()
        .flat_map(Url::query_pairs)
        .map(|(_, value)| value.into_owned())
        .filter(|value| value.parse::<PeerUrl>().is_ok())
        .collect();
    match in_query.is_empty() {
        true => vec![after_scheme.to_owned()],
        false => in_query,
    }
}

/// The URLs in a list, in random order as EasyTier clients take them, so that a long list is sampled.
fn from_list(server: &str, body: &str) -> Result<Vec<NodeUrl>, Failure> {
    let mut lines: Vec<&str> = body.lines().collect();
    lines.shuffle(&mut rand::rng());
    node_urls(&format!("the list at {server}"), lines)
}

async fn body(server: &str, mut response: Response) -> Result<String, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(server, error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(resolver_failed(format!("the list at {server} is longer than {} KiB", MAX_BODY / 1024)));
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn failure(server: &str, error: reqwest::Error) -> Failure {
    // The error would print the URL with its query.
    let error = error.without_url();
    if let Some(NoAddress(failure)) = causes(&error).find_map(|cause| cause.downcast_ref()) {
        return failure.clone();
    }
    let reason = match error.is_timeout() {
        true => format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
        false => root_cause(&error),
    };
    resolver_failed(format!("{server} gives no answer: {}", quote(&reason)))
}

fn resolver_failed(message: String) -> Failure {
    Failure::new(FailureCode::ResolverFailed, message)
}

/// Gives the web client only the permitted addresses of a name, so that it cannot connect to another.
#[derive(Clone)]
struct PermittedNames {
    dns: Arc<Dns>,
    policy: AddressPolicy,
}

impl PermittedNames {
    async fn permitted(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        permitted_addresses(&self.dns, host, self.policy).await
    }
}

impl Resolve for PermittedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let host = Host::Domain(name.as_str().to_owned());
            let addresses = names.permitted(&host).await.map_err(NoAddress)?;
            // Port 0 stands for the port of the URL.
            Ok(Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// Carries a failure through the web client.
#[derive(Debug)]
struct NoAddress(Failure);

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for NoAddress {}
