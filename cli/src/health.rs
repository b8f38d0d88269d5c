//! `health`: asks a hub or a probe whether it works, for containers that have nothing else to ask with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use easytier_probe::backend::BaseUrl;
use easytier_uptime_config::{Reader, Sources, duration, values};
use reqwest::Client;
use serde::Deserialize;

use crate::{
    exit::Exit,
    runtime,
    settings::{Selection, SettingFlags},
};

const EXAMPLES: &str = "\
Examples:
  easytier-uptime health                             the hub or the probe of this machine, at SERVER_PORT
  easytier-uptime health https://hub.example.com     another one

Exit codes:
  0  it works
  1  it does not, or nothing answers
  2  bad usage or configuration";

/// Asks a hub or a probe whether it works; for health checks of containers
///
/// It prints what GET /health answers, in one line.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// Where it is [default: this machine, at the port of SERVER_PORT]
    url: Option<BaseUrl>,
    /// How long it may take to answer
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = duration::parse_positive)]
    timeout: Duration,

    #[command(flatten)]
    settings: SettingFlags<WhereItServes>,
}

/// What says where a service of this machine is.
#[derive(Debug, Clone, Copy)]
pub struct WhereItServes;

impl Selection for WhereItServes {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] =
        &[("Server", &["CONFIG_FILE", "SERVER_HOST", "SERVER_PORT"])];
}

/// What both say, each in its own envelope.
#[derive(Debug, Deserialize)]
struct Answer {
    message: Option<String>,
    error: Option<String>,
}

pub fn run(args: HealthArgs) -> anyhow::Result<Exit> {
    let base = match args.url {
        Some(url) => url,
        None => own(&args.settings.sources())?,
    };
    easytier::tunnel::insecure_tls::init_crypto_provider();
    let runtime = runtime::of_one_thread()?;
    let (works, words) = runtime.block_on(ask(&base, args.timeout))?;
    match works {
        true => anstream::println!("{words}"),
        false => anstream::eprintln!("{base}: {words}"),
    }
    Ok(if works { Exit::Success } else { Exit::NotAsExpected })
}

/// The service of this machine.
fn own(sources: &Sources) -> anyhow::Result<BaseUrl> {
    let mut reader = Reader::new(sources);
    let host = reader.value("SERVER_HOST", values::ip_address);
    let port = reader.value("SERVER_PORT", values::port);
    if port == 0 {
        reader.reject("SERVER_PORT", "is any that is free; name the URL that the service printed".to_owned());
    }
    reader.finish(())?;
    Ok(url_of(host, port))
}

/// How the service that listens there is reached from this machine.
fn url_of(host: IpAddr, port: u16) -> BaseUrl {
    let host = match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    format!("http://{}", SocketAddr::new(host, port)).parse().expect("it has a scheme and a host, and no more")
}

/// Whether the service works, and what there is to say about it.
async fn ask(base: &BaseUrl, timeout: Duration) -> anyhow::Result<(bool, String)> {
    let mut client = Client::builder().timeout(timeout);
    if base.is_loopback() {
        client = client.no_proxy();
    }
    if !base.is_https() {
        // So that a machine without CA certificates does as well.
        client = client.tls_certs_only([]);
    }
    let client = client.build().context("no web client")?;
    let response = match client.get(base.join("/health")).send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Ok((false, format!("no answer within {timeout:?}"))),
        Err(error) => return Ok((false, format!("{:#}", anyhow::Error::new(error.without_url())))),
    };
    let (status, body) = (response.status(), response.text().await.unwrap_or_default());
    let said = serde_json::from_str::<Answer>(&body).ok().and_then(|answer| answer.error.or(answer.message));
    Ok((
        status.is_success() && said.is_some(),
        said.unwrap_or_else(|| format!("answered {status}, as no health check does")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_at_the_loopback() {
        for (listens, asked) in [
            ("127.0.0.1", "http://127.0.0.1:8080/"),
            ("0.0.0.0", "http://127.0.0.1:8080/"),
            ("::", "http://[::1]:8080/"),
            ("192.0.2.7", "http://192.0.2.7:8080/"),
        ] {
            assert_eq!(url_of(listens.parse().unwrap(), 8080).join("/").as_str(), asked);
        }
    }
}
