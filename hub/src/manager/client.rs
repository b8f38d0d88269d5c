//! Requests to probes at their addresses, directly or through a proxy.
//!
//! A request goes to one address and nowhere else: redirects are not followed. Each has a deadline, and answers are cut.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
    vec,
};

use bytes::Bytes;
use data_encoding::BASE64;
use easytier_probe::{AddressPolicy, tls};
use easytier_uptime_monitor::control::{ENROLLED, REGION, SERVER_ID};
use easytier_uptime_store::domain::{ControlAddress, ManageProblem, ProbePath};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{
            Connect, HttpConnector,
            dns::Name,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::{
    net::lookup_host,
    time::{Instant, timeout},
};
use tower::util::ServiceFn;

use super::{proxy::ControlProxy, statistics::Statistics};

/// How long it may take to connect, before the proxy is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer is read, in bytes.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// How long texts of probes may be, in characters.
const MAX_TEXT: usize = 200;

/// How long a connection without requests is kept: some time longer than to the next question for statistics.
const IDLE_TIMEOUT: Duration = Duration::from_secs(25);

/// A request to a probe.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// To take a configuration.
    Config(Bytes),
    /// To tell its statistics.
    Stats,
}

/// What a probe answered with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    /// At most 64 KiB of the body.
    pub body: Bytes,
    /// Whether there was more.
    pub is_cut: bool,
    pub server_id: Option<String>,
    pub region: Option<String>,
    /// Whether it has a backend, if it says so.
    pub has_backend: Option<bool>,
    pub path: ProbePath,
    pub round_trip: Duration,
}

type Web<C> = Client<HttpsConnector<C>, Full<Bytes>>;

/// Makes requests to probes. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct ControlClient(Arc<Result<Clients, String>>);

struct Clients {
    direct: Web<HttpConnector<Resolver>>,
    proxy: Option<Proxied>,
}

enum Proxied {
    Tunnel(Web<Tunnel<HttpConnector>>),
    Socks(Web<SocksV5<HttpConnector>>),
}

impl Default for ControlClient {
    /// A client without a proxy.
    fn default() -> Self {
        Self::new(None)
    }
}

impl fmt::Debug for ControlClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlClient").finish_non_exhaustive()
    }
}

impl ControlClient {
    /// A client that tries `proxy` where a probe cannot be reached directly. Where the system permits no TLS at all, every question
    /// fails and says why.
    pub fn new(proxy: Option<&ControlProxy>) -> Self {
        Self(Arc::new(Clients::new(proxy)))
    }

    /// Asks a probe that is new for its statistics, to learn whether it is one and what it says of itself.
    pub(crate) async fn introduce(&self, address: &ControlAddress) -> Result<Answered, ManageProblem> {
        let answered = self.ask(address, &Ask::Stats).await?;
        Statistics::read(&answered.body, answered.is_cut)?;
        Ok(answered)
    }

    /// Asks a probe, through the proxy when it cannot be reached directly.
    pub(super) async fn ask(&self, address: &ControlAddress, ask: &Ask) -> Result<Answered, ManageProblem> {
        let clients = self.0.as_ref().as_ref().map_err(|cause| ManageProblem::Unreachable { cause: cause.clone() })?;
        let unreachable = match send(&clients.direct, ProbePath::Direct, address, ask).await {
            Err(problem @ (ManageProblem::Unreachable { .. } | ManageProblem::Slow { .. })) => problem,
            outcome => return outcome,
        };
        match &clients.proxy {
            Some(Proxied::Tunnel(web)) => send(web, ProbePath::Proxy, address, ask).await,
            Some(Proxied::Socks(web)) => send(web, ProbePath::Proxy, address, ask).await,
            None => Err(unreachable),
        }
    }
}

impl Clients {
    fn new(proxy: Option<&ControlProxy>) -> Result<Self, String> {
        // A machine without CA certificates can still reach probes over plain HTTP.
        let mut tls = tls::for_web_servers().or_else(|_| tls::without_trust()).map_err(|error| error.to_string())?;
        // The connector offers the protocols that the client speaks.
        tls.alpn_protocols.clear();
        let mut connector = HttpConnector::new_with_resolver(tower::service_fn(look_up as fn(Name) -> Lookup));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let proxy = proxy.map(|proxy| Proxied::new(proxy, &tls)).transpose()?;
        Ok(Self { direct: web(&tls, connector), proxy })
    }
}

impl Proxied {
    fn new(proxy: &ControlProxy, tls: &ClientConfig) -> Result<Self, String> {
        let endpoint: Uri = proxy.endpoint().parse().map_err(|_| "the URL of CONTROL_PROXY is wrong")?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        if proxy.is_socks() {
            let mut socks = SocksV5::new(endpoint, connector).local_dns(proxy.has_local_names());
            if let Some((user, password)) = proxy.login() {
                socks = socks.with_auth(user, password.expose().to_owned());
            }
            return Ok(Self::Socks(web(tls, socks)));
        }
        let mut tunnel = Tunnel::new(endpoint, connector);
        if let Some((user, password)) = proxy.login() {
            let login = format!("Basic {}", BASE64.encode(format!("{user}:{}", password.expose()).as_bytes()));
            let login = HeaderValue::from_str(&login).map_err(|_| "the login of CONTROL_PROXY is wrong")?;
            tunnel = tunnel.with_auth(login);
        }
        Ok(Self::Tunnel(web(tls, tunnel)))
    }
}

fn web<C>(tls: &ClientConfig, connector: C) -> Web<C>
where
    C: Clone,
    HttpsConnector<C>: Connect + Clone,
{
    let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http1();
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
        .build(https.wrap_connector(connector))
}

async fn send<C>(web: &Web<C>, path: ProbePath, address: &ControlAddress, ask: &Ask) -> Result<Answered, ManageProblem>
where
    C: Clone + Send + Sync + 'static,
    HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let request = request(address, ask)?;
    let began = Instant::now();
    let exchange = async {
        let response = web.request(request).await.map_err(|error| failed(&error))?;
        read(response).await
    };
    let slow = ManageProblem::Slow { seconds: TIMEOUT.as_secs() };
    let (status, headers, body, is_cut) = timeout(TIMEOUT, exchange).await.map_err(|_| slow)??;
    let said = || said(&body);
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(ManageProblem::WrongToken),
        StatusCode::CONFLICT => return Err(ManageProblem::Conflict { cause: said() }),
        status => return Err(ManageProblem::Answered { status: status.as_u16(), cause: said() }),
    }
    let text = |name: HeaderName| {
        let text = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?;
        Some(text.trim().to_owned())
    };
    Ok(Answered {
        is_cut,
        server_id: text(SERVER_ID),
        region: text(REGION),
        has_backend: text(ENROLLED).and_then(|text| text.parse().ok()),
        path,
        round_trip: began.elapsed(),
        body,
    })
}

fn request(address: &ControlAddress, ask: &Ask) -> Result<Request<Full<Bytes>>, ManageProblem> {
    let foreign = |cause: &str| ManageProblem::Foreign { cause: cause.to_owned() };
    let (method, path, body) = match ask {
        Ask::Config(body) => (Method::POST, "/v1/configs", body.clone()),
        Ask::Stats => (Method::GET, "/v1/stats", Bytes::new()),
    };
    let uri: Uri =
        format!("{}:{}{path}", address.host, address.port).parse().map_err(|_| foreign("its address is no URL"))?;
    // The resolver is asked for names only.
    let literal: Option<IpAddr> = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    if literal.is_some_and(is_forbidden) {
        return Err(ManageProblem::ForbiddenAddress);
    }
    let bearer = HeaderValue::from_str(&format!("Bearer {}", address.token.expose()));
    let mut bearer = bearer.map_err(|_| foreign("a header cannot carry its token"))?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::AUTHORIZATION, bearer)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("easytier-uptime/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|_| foreign("its address is no URL"))
}

type Read = (StatusCode, HeaderMap, Bytes, bool);

async fn read(response: Response<Incoming>) -> Result<Read, ManageProblem> {
    let (parts, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| ManageProblem::Unreachable { cause: root_cause(&error) })?;
        if let Some(chunk) = frame.data_ref() {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        }
        if body.len() == MAX_ANSWER {
            return Ok((parts.status, parts.headers, body.into(), true));
        }
    }
    Ok((parts.status, parts.headers, body.into(), false))
}

fn failed(error: &hyper_util::client::legacy::Error) -> ManageProblem {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<Forbidden>() {
            return ManageProblem::ForbiddenAddress;
        }
        cause = error.source();
    }
    ManageProblem::Unreachable { cause: root_cause(error) }
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cut(&cause.to_string())
}

/// What a probe says of a refusal: the message of its envelope, or the text.
fn said(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| json.get("error").or_else(|| json.get("message")));
    let message = message.and_then(|message| message.as_str().or_else(|| message.get("message")?.as_str()));
    cut(&message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned))
}

pub(super) fn cut(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(MAX_TEXT).collect::<String>().trim().to_owned()
}

/// Whether the hub never connects to an address: one of this link, of a metadata service, or of no single host. Loopback is allowed,
/// because a probe may run beside its hub.
pub(crate) fn is_forbidden(address: IpAddr) -> bool {
    const REMOTE: AddressPolicy = AddressPolicy { allow_private: true, allow_local: false };
    !REMOTE.permits(address) && !address.to_canonical().is_loopback()
}

/// A name leads to addresses that the hub does not connect to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a link-local address or a metadata service")]
struct Forbidden;

type Lookup = BoxFuture<'static, Result<vec::IntoIter<SocketAddr>, Box<dyn Error + Send + Sync>>>;
type Resolver = ServiceFn<fn(Name) -> Lookup>;

/// The addresses of a name, to which the connection then goes: none that the hub does not connect to.
fn look_up(name: Name) -> Lookup {
    Box::pin(async move {
        let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
        let allowed: Vec<SocketAddr> = found.iter().copied().filter(|address| !is_forbidden(address.ip())).collect();
        match allowed.is_empty() && !found.is_empty() {
            true => Err(Forbidden.into()),
            false => Ok(allowed.into_iter()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_metadata_services_are_never_connected_to() {
        for forbidden in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
        ] {
            assert!(is_forbidden(forbidden.parse().unwrap()), "{forbidden}");
        }
        for allowed in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.7", "192.168.1.1", "8.8.8.8", "2001:4860:4860::8888"]
        {
            assert!(!is_forbidden(allowed.parse().unwrap()), "{allowed}");
        }
    }

    #[test]
    fn what_a_probe_says_is_one_short_line() {
        assert_eq!(said(br#"{"success":false,"error":"an older\nconfiguration"}"#), "an older configuration");
        assert_eq!(said(br#"{"error":{"code":"conflict","message":"older"}}"#), "older");
        assert_eq!(said(b"\x1b[31mno"), "[31mno");
        assert_eq!(said(&vec![b'x'; 5000]).len(), MAX_TEXT);
    }
}
