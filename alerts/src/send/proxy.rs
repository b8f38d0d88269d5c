//! Connections to a mail server through a proxy.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        proxy::{SocksV5, Tunnel},
    },
    rt::TokioIo,
};
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use tokio::net::TcpStream;
use tower_service::Service;
use url::Url;

use super::reply::root_cause;
use crate::Outcome;

/// A connection to `host` through the proxy.
pub(super) async fn through(proxy: &str, host: &str, port: u16) -> Result<TcpStream, Outcome> {
    let unusable = |why: &str| Outcome::refused(format!("the proxy cannot be used: {why}"));
    let proxy = Url::parse(proxy).map_err(|error| unusable(&error.to_string()))?;
    let proxy_host = proxy.host_str().unwrap_or_default();
    let default = if proxy.scheme().starts_with("socks") { 1080 } else { 80 };
    let proxy_uri = format!("http://{proxy_host}:{}", proxy.port().unwrap_or(default));
    let proxy_uri = proxy_uri.parse().map_err(|_| unusable("its URL is wrong"))?;
    // Only its host and port are used.
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let target = format!("http://{host}:{port}").parse().map_err(|_| unusable("the name of the server is wrong"))?;

    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decoded(proxy.username());
    let password = proxy.password().map(decoded).unwrap_or_default();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Outcome::retry(format!("no connection through the proxy: {}", root_cause(error)))
    };
    let stream = if proxy.scheme().starts_with("socks") {
        let mut socks = SocksV5::new(proxy_uri, connector).local_dns(proxy.scheme() == "socks5");
        if !user.is_empty() {
            socks = socks.with_auth(user, password);
        }
        socks.call(target).await.map_err(|error| failed(&error))?
    } else {
        let mut tunnel = Tunnel::new(proxy_uri, connector);
        if !user.is_empty() {
            let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            let login = HeaderValue::from_str(&login).map_err(|_| unusable("its login is wrong"))?;
            tunnel = tunnel.with_auth(login);
        }
        tunnel.call(target).await.map_err(|error| failed(&error))?
    };
    Ok(TokioIo::into_inner(stream))
}
