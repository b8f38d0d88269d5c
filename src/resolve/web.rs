//! Peer URLs from a web server, which redirects to them or lists them.

use std::{
    error::Error,
    fmt, iter,
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

use super::{dns::Dns, node_urls, permitted, quoted, shown, without_query};
use crate::{AddressPolicy, EASYTIER_VERSION, Failure, FailureCode, PeerUrl, tls};

/// How long a web server may take, from the connection to the end of the body.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The longest list that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A client that connects only to addresses that the policy permits.
pub(super) struct Web {
    names: PermittedNames,
    /// Made at the first question: it loads the certificates that the system trusts.
    client: OnceCell<Client>,
}

impl Web {
    pub(super) fn new(dns: Arc<Dns>, policy: AddressPolicy) -> Self {
        Self { names: PermittedNames { dns, policy }, client: OnceCell::new() }
    }

    /// The URLs of nodes that the web server at `url` redirects to, or lists.
    pub(super) async fn ask(&self, url: &PeerUrl) -> Result<Vec<PeerUrl>, Failure> {
        // The client asks for the addresses of names alone.
        if url.ip().is_some() {
            self.names.permitted(url.host()).await?;
        }
        let server = shown(url);
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
        let message = format!("no web client: {}; install the CA certificates of your system", quoted(cause));
        Failure::new(FailureCode::Internal, message)
    };
    let tls = tls::for_web_servers().map_err(|error| unusable(&error.to_string()))?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(names)
        .redirect(redirect::Policy::none())
        .timeout(ANSWER_TIME)
        // A proxy would resolve names by itself, and connect to whatever they are.
        .no_proxy()
        // Nothing that a check opened stays open, and the next one decides on the address again.
        .pool_max_idle_per_host(0)
        .user_agent(format!("easytier/{EASYTIER_VERSION} easytier-uptime/{}", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unusable(&causes(&error).last().map(ToString::to_string).unwrap_or_default()))
}

/// What a redirect points to, read as an EasyTier client reads it. It is never followed.
fn from_location(server: &str, response: &Response) -> Result<Vec<PeerUrl>, Failure> {
    let status = response.status();
    let Some(location) = response.headers().get(header::LOCATION) else {
        return Err(resolver_failed(format!("{server} answered {status} without a Location")));
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let source = format!("{server} redirects to {}, which is not followed", without_query(&location));
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

/// The lines of a list, in random order, so that nodes share the clients, and a long list is sampled.
fn from_list(server: &str, body: &str) -> Result<Vec<PeerUrl>, Failure> {
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
    // The error would print the URL, query and all.
    let error = error.without_url();
    if let Some(NoAddress(failure)) = causes(&error).find_map(|cause| cause.downcast_ref()) {
        return failure.clone();
    }
    let what = match error.is_timeout() {
        true => format!("no answer within {} s", ANSWER_TIME.as_secs()),
        false => causes(&error).last().map(ToString::to_string).unwrap_or_default(),
    };
    resolver_failed(format!("{server} gives no answer: {}", quoted(&what)))
}

fn resolver_failed(message: String) -> Failure {
    Failure::new(FailureCode::ResolverFailed, message)
}

/// The error and what is behind it, the root cause last.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (**error).source())
}

/// Gives the web client the permitted addresses of a name alone, so that it cannot connect to another.
#[derive(Clone)]
struct PermittedNames {
    dns: Arc<Dns>,
    policy: AddressPolicy,
}

impl PermittedNames {
    async fn permitted(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        permitted(&self.dns, host, self.policy).await
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
