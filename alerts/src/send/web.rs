//! Requests by HTTP.

use std::{net::SocketAddr, time::Duration};

use easytier_probe::{AddressPolicy, backend::is_loopback};
use reqwest::{
    Client, ClientBuilder, Proxy, Request,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderName, HeaderValue},
    redirect,
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{SendOptions, addresses::permitted, reply::root_cause};
use crate::{
    Channel, Outcome,
    channel::{Answer, HttpRequest},
};

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

pub(super) struct WebSender {
    address_policy: AddressPolicy,
    connect_timeout: Duration,
    tls: ClientConfig,
    /// With the proxy of the environment.
    client: Client,
    /// For services on this machine, which no proxy can reach.
    here: Client,
}

impl WebSender {
    pub(super) fn new(options: &SendOptions, tls: ClientConfig) -> Result<Self, String> {
        let client = |builder: ClientBuilder| builder.build().map_err(|error| root_cause(&error));
        let builder = || builder(tls.clone(), options.connect_timeout);
        Ok(Self {
            client: client(builder())?,
            here: client(builder().no_proxy())?,
            address_policy: options.address_policy,
            connect_timeout: options.connect_timeout,
            tls,
        })
    }

    /// The answer to `request`, or what became of it without one.
    pub(super) async fn send(
        &self,
        channel: &Channel,
        request: HttpRequest,
        limit: Duration,
    ) -> Result<Answer, Outcome> {
        let deadline = Instant::now() + limit;
        let late = || format!("no answer within {} s", limit.as_secs_f64());
        let client = timeout_at(deadline, self.client(channel, &request.url)).await;
        let client = client.map_err(|_| Outcome::retry("the name of the host could not be looked up in time"))??;
        let request = built(request)?;
        let sent = timeout_at(deadline, client.execute(request)).await.map_err(|_| Outcome::unclear(late()))?;
        let mut response = sent.map_err(|error| failed(&error))?;
        #[expect(clippy::disallowed_methods, reason = "a date in Retry-After is relative to the time of the response")]
        let received_at = std::time::SystemTime::now();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        // The status is known: what cannot be read of the body is not waited for any longer.
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
            let room = LONGEST_ANSWER - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == LONGEST_ANSWER {
                break;
            }
        }
        Ok(Answer::new(status, &headers, body, received_at))
    }

    async fn client(&self, channel: &Channel, url: &Url) -> Result<Client, Outcome> {
        let builder = || builder(self.tls.clone(), self.connect_timeout);
        let unusable = |error: reqwest::Error| Outcome::refused(root_cause(&error));
        if channel.is_confined() {
            let port = url.port_or_known_default().unwrap_or_default();
            let addresses = permitted(url.host_str().unwrap_or_default(), port, self.address_policy).await?;
            // A proxy would look the name up itself, and bypass the policy.
            return builder().no_proxy().dns_resolver(Decided(addresses)).build().map_err(unusable);
        }
        match channel.proxy() {
            Some(proxy) => {
                let proxy = Proxy::all(proxy).map_err(unusable)?;
                builder().no_proxy().proxy(proxy).build().map_err(unusable)
            }
            None if is_loopback(url) => Ok(self.here.clone()),
            None => Ok(self.client.clone()),
        }
    }
}

fn builder(tls: ClientConfig, connect_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        // A redirect would send the secrets to another place, and turn a POST into a GET.
        .redirect(redirect::Policy::none())
        .pool_max_idle_per_host(0)
        // A small answer could become a large one.
        .no_gzip()
}

fn built(request: HttpRequest) -> Result<Request, Outcome> {
    let mut built = Request::new(request.method, request.url);
    for (name, value) in request.headers {
        let header = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes()));
        let (Ok(parsed), Ok(mut value)) = header else {
            return Err(Outcome::refused(format!("the header {name} cannot be sent")));
        };
        value.set_sensitive(true);
        built.headers_mut().insert(parsed, value);
    }
    *built.body_mut() = Some(request.body.into());
    Ok(built)
}

/// What became of a request that ended with this error.
fn failed(error: &reqwest::Error) -> Outcome {
    let cause = root_cause(error);
    match error {
        error if error.is_builder() => Outcome::refused(format!("no request can be made: {cause}")),
        error if error.is_connect() && error.is_timeout() => Outcome::retry("no connection in time"),
        error if error.is_connect() => Outcome::retry(format!("no connection: {cause}")),
        error if error.is_timeout() => Outcome::unclear("no answer in time"),
        _ => Outcome::unclear(format!("the connection broke before an answer: {cause}")),
    }
}

/// Gives the client the addresses that were decided on, whatever name it asks for.
struct Decided(Vec<SocketAddr>);

impl Resolve for Decided {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}
