//! Peer URLs from a web server that redirects to them or lists them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
    time::Duration,
};

use rand::seq::SliceRandom;
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{self, HeaderName, HeaderValue},
    redirect,
};
use rustls::ClientConfig;
use tokio::time::timeout;
use tracing::debug;
use url::{Host, Url};

use super::{
    dns::Lookups,
    permitted::permitted_addresses,
    quote::{quote, quote_url},
    yielded::{Yielded, yielded_urls},
};
use crate::{
    AddressPolicy, Blame, Failure, FailureCode, PeerUrl, Scheme,
    io_failure::io_failure,
    text::{causes, root_cause},
    tls,
};

/// The time that a web server has, from the connection to the end of the body, as with EasyTier clients. The check mostly
/// ends before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest list that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The name under which clients ask, which some services look for. A current version, because they may refuse old ones.
const USER_AGENT: &str = concat!("easytier/2.6.4 easytier-uptime/", env!("CARGO_PKG_VERSION"));

/// The header in which clients since 2.6.0 name their network, so that a service can answer for it
/// (`http_connector.rs:187` of 2.6.4).
const NETWORK_NAME: HeaderName = HeaderName::from_static("x-network-name");

/// Requests to web servers.
#[derive(Default)]
pub(super) struct Web {
    /// Made at the first https request: it loads the certificates that the system trusts.
    trust: OnceLock<ClientConfig>,
}

/// One request.
pub(super) struct WebRequest<'a> {
    pub url: &'a PeerUrl,
    pub host: &'a Host,
    /// Which addresses the web server may have.
    pub policy: AddressPolicy,
    pub network_name: &'a str,
    pub lookups: &'a Lookups<'a>,
}

impl Web {
    /// The peer URLs that the web server redirects to, or lists.
    pub(super) async fn yielded(&self, request: WebRequest<'_>) -> Result<Yielded, Failure> {
        let WebRequest { url, host, policy, lookups, .. } = request;
        let addresses = permitted_addresses(lookups, host, policy).await?;
        let left = lookups.time_left();
        let limit = left.min(ANSWER_TIMEOUT);
        let server = quote_url(&url.to_string());
        let answered = timeout(limit, self.answer(&server, &request, &addresses)).await;
        answered.unwrap_or_else(|_| {
            let limit = limit.as_secs_f64();
            // What came before took most of the time, so nothing is known about this server.
            if left < lookups.whole_time() / 2 {
                let message = format!("{server} had only {limit:.1} s of the check, and gave no answer");
                return Err(Failure::new(FailureCode::MissedWindow, message));
            }
            Err(resolver_failed(format!("{server} gives no answer: no answer within {limit:.0} s")))
        })
    }

    async fn answer(&self, server: &str, request: &WebRequest<'_>, addresses: &[IpAddr]) -> Result<Yielded, Failure> {
        let client = self.client(request.url, addresses)?;
        let mut get = client.get(request.url.full());
        if let Ok(name) = HeaderValue::from_bytes(request.network_name.as_bytes()) {
            get = get.header(NETWORK_NAME, name);
        }
        let port = request.url.port().unwrap_or_default();
        let tried = addresses.first().map(|ip| SocketAddr::new(*ip, port));
        let response = get.send().await.map_err(|error| failure(server, tried, error))?;

        let status = response.status();
        debug!(url = server, %status, "the web server answered");
        if status.is_redirection() {
            from_location(server, &response)
        } else if status.is_success() {
            from_list(server, &body(server, response).await?)
        } else {
            Err(resolver_failed(format!("{server} answered {status}, neither a redirect nor a list of peer URLs")))
        }
    }

    /// A client that connects to these addresses only.
    fn client(&self, url: &PeerUrl, addresses: &[IpAddr]) -> Result<Client, Failure> {
        let unusable = |cause: &str| {
            let message = format!("no web client: {}; install the CA certificates of your system", quote(cause));
            Failure::new(FailureCode::Internal, message)
        };
        let tls = match url.scheme() {
            Some(Scheme::Https) => self.trusting(),
            _ => tls::without_trust(),
        };
        Client::builder()
            .tls_backend_preconfigured(tls.map_err(|error| unusable(&error.to_string()))?)
            .dns_resolver(Decided(addresses.to_vec()))
            .redirect(redirect::Policy::none())
            // A proxy would resolve names itself, and bypass the policy.
            .no_proxy()
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| unusable(&root_cause(&error)))
    }

    fn trusting(&self) -> Result<ClientConfig, rustls::Error> {
        if let Some(config) = self.trust.get() {
            return Ok(config.clone());
        }
        let config = tls::for_web_servers()?;
        Ok(self.trust.get_or_init(|| config).clone())
    }
}

/// The URLs in a redirect, read as an EasyTier client reads them. The redirect is never followed.
fn from_location(server: &str, response: &Response) -> Result<Yielded, Failure> {
    let status = response.status();
    let Some(location) = response.headers().get(header::LOCATION) else {
        return Err(resolver_failed(format!("{server} answered {status} without a Location")));
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let source = format!("{server} redirects to {}, which is not followed", quote_url(&location));
    yielded_urls(&source, peer_urls_in(&location).iter().map(String::as_str))
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
fn from_list(server: &str, body: &str) -> Result<Yielded, Failure> {
    let mut lines: Vec<&str> = body.lines().collect();
    lines.shuffle(&mut rand::rng());
    yielded_urls(&format!("the list at {server}"), lines)
}

async fn body(server: &str, mut response: Response) -> Result<String, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(server, None, error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(resolver_failed(format!("the list at {server} is longer than {} KiB", MAX_BODY / 1024)));
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn failure(server: &str, tried: Option<SocketAddr>, error: reqwest::Error) -> Failure {
    // The error would print the URL with its query.
    let error = error.without_url();
    // Without a number, an I/O error is one of TLS or HTTP.
    let io_error = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
    if let (Some(address), Some(io_error)) = (tried, io_error.filter(|error| error.raw_os_error().is_some())) {
        let failure = io_failure(address, io_error);
        if failure.blame != Blame::Peer {
            return Failure { message: format!("{server} cannot be asked: {}", failure.message), ..failure };
        }
    }
    resolver_failed(format!("{server} gives no answer: {}", quote(&root_cause(&error))))
}

fn resolver_failed(message: String) -> Failure {
    Failure::new(FailureCode::ResolverFailed, message)
}

/// Gives the web client the addresses that were decided on, whatever name it asks for.
struct Decided(Vec<IpAddr>);

impl Resolve for Decided {
    fn resolve(&self, _name: Name) -> Resolving {
        // Port 0 stands for the port of the URL.
        let addresses: Vec<SocketAddr> = self.0.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}
