//! `health`: checks whether a hub or a probe works, for health checks of containers without an HTTP client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use easytier_probe::backend::{BaseUrl, BaseUrlError};
use easytier_uptime_config::{Reader, Sources, duration, values};
use reqwest::Client;
use serde::Deserialize;

use crate::{
    exit::Exit,
    print, runtime,
    settings::{Selection, SettingFlags},
};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime health                             the hub or the probe on this machine, at SERVER_PORT
  easytier-uptime health https://hub.example.com     another one

Exit codes:
  0  it works
  1  it does not work, or does not answer
  2  bad usage or configuration";

/// Checks whether a hub or a probe works, for health checks of containers
///
/// Prints the message of GET /health in one line.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// Base URL of the hub or the probe [default: this machine, at SERVER_PORT]
    url: Option<BaseUrl>,
    /// Maximum time to wait for the response
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = duration::parse_positive)]
    timeout: Duration,

    #[command(flatten)]
    settings: SettingFlags<AddressSettings>,
}

/// The settings that name the address of a service on this machine.
#[derive(Debug, Clone, Copy)]
pub struct AddressSettings;

impl Selection for AddressSettings {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] =
        &[("Server", &["CONFIG_FILE", "SERVER_HOST", "SERVER_PORT"])];
}

/// The response of a hub or a probe; their envelopes differ.
#[derive(Debug, Deserialize)]
struct HealthResponse {
    message: Option<String>,
    error: Option<String>,
}

pub fn run(args: HealthArgs) -> anyhow::Result<Exit> {
    let base = match args.url {
        Some(url) => url,
        None => own_url(&args.settings.sources())?,
    };
    easytier::tunnel::insecure_tls::init_crypto_provider();
    let runtime = runtime::single_threaded()?;
    let (works, message) = runtime.block_on(request(&base, args.timeout))?;
    match works {
        true => print::line(message)?,
        false => print::note(format_args!("{base}: {message}")),
    }
    Ok(if works { Exit::Success } else { Exit::Unexpected })
}

/// The base URL of the service on this machine.
fn own_url(sources: &Sources) -> anyhow::Result<BaseUrl> {
    let mut reader = Reader::new(sources);
    let host = reader.value("SERVER_HOST", values::ip_address);
    let port = reader.value("SERVER_PORT", values::port);
    if port == 0 {
        reader.reject("SERVER_PORT", "0 means any free port; name the URL that the service printed".to_owned());
    }
    reader.finish(())?;
    Ok(url_of(host, port)?)
}

/// The base URL at which this machine reaches a service that listens at `host`.
pub fn url_of(host: IpAddr, port: u16) -> Result<BaseUrl, BaseUrlError> {
    let host = match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    format!("http://{}", SocketAddr::new(host, port)).parse()
}

/// A client that asks a service about its health.
pub fn client(base: &BaseUrl, timeout: Duration) -> anyhow::Result<Client> {
    let mut client = Client::builder().timeout(timeout).tls_info(true);
    if base.is_loopback() {
        client = client.no_proxy();
    }
    if !base.is_https() {
        // A machine without CA certificates can use this client too.
        client = client.tls_certs_only([]);
    }
    client.build().context("cannot make an HTTP client")
}

/// Whether the service works, and its message or what is wrong with it.
async fn request(base: &BaseUrl, timeout: Duration) -> anyhow::Result<(bool, String)> {
    let client = client(base, timeout)?;
    let response = match client.get(base.join("/health")).send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Ok((false, format!("no response within {timeout:?}"))),
        Err(error) => return Ok((false, format!("{:#}", anyhow::Error::new(error.without_url())))),
    };
    let (status, body) = (response.status(), response.text().await.unwrap_or_default());
    let response = serde_json::from_str::<HealthResponse>(&body).ok();
    let message = response.and_then(|response| response.error.or(response.message));
    Ok((
        status.is_success() && message.is_some(),
        message.unwrap_or_else(|| format!("answered {status} without the message of a health check")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_at_all_addresses_is_reached_at_the_loopback_address() {
        for (host, url) in [
            ("127.0.0.1", "http://127.0.0.1:8080/"),
            ("0.0.0.0", "http://127.0.0.1:8080/"),
            ("::", "http://[::1]:8080/"),
            ("192.0.2.7", "http://192.0.2.7:8080/"),
        ] {
            assert_eq!(url_of(host.parse().unwrap(), 8080).unwrap().join("/").as_str(), url);
        }
    }
}
