//! Sends messages to web servers as JSON.

use std::time::Duration;

use easytier_probe::tls;
use easytier_uptime_alerts::{Message, Outcome};
use futures::{FutureExt, future::BoxFuture};
use reqwest::{Client, StatusCode, header, redirect};
use url::Url;

use crate::service::alerts::{Messenger, Settings};

/// The longest time for a connection, and for all of a request. The body of the answer is not read.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(15);

const KIND: &str = "webhook";
const URL: &str = "url";

/// Sends messages to web servers as JSON. Redirects are not followed.
pub struct Webhooks;

impl Messenger for Webhooks {
    fn check(&self, kind: &str, settings: &Settings) -> Result<(), String> {
        if kind != KIND {
            return Err(format!("the kinds are: {KIND}"));
        }
        if let Some(name) = settings.keys().find(|name| name.as_str() != URL) {
            return Err(format!("a channel of the kind {KIND} has no setting {name}; it has {URL}"));
        }
        url(settings).map(drop)
    }

    fn shown(&self, _: &str, settings: &Settings) -> Settings {
        // The path may be a secret.
        let origin = url(settings).map(|url| format!("{}/…", url.origin().ascii_serialization()));
        origin.into_iter().map(|shown| (URL.to_owned(), shown)).collect()
    }

    fn sends_at_most_once(&self, _: &str) -> bool {
        false
    }

    fn send<'a>(&'a self, _: &'a str, settings: &'a Settings, message: &'a Message) -> BoxFuture<'a, Outcome> {
        post(settings, message).boxed()
    }
}

fn url(settings: &Settings) -> Result<Url, String> {
    let url = settings.get(URL).ok_or_else(|| format!("a channel of the kind {KIND} needs {URL}"))?;
    let url = Url::parse(url.trim()).map_err(|error| format!("{URL}: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(format!("{URL}: write a URL with http or https")),
    }
}

fn client() -> Result<Client, String> {
    let tls = tls::for_web_servers().or_else(|_| tls::without_trust()).map_err(|error| error.to_string())?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        .build()
        .map_err(|error| error.to_string())
}

async fn post(settings: &Settings, message: &Message) -> Outcome {
    let url = match url(settings) {
        Ok(url) => url,
        Err(why) => return Outcome::Refused { why },
    };
    let client = match client() {
        Ok(client) => client,
        Err(why) => return Outcome::Retry { after: None, why },
    };
    let request = client.post(url).header("Idempotency-Key", message.id.to_string()).json(message);
    match request.send().await {
        Ok(response) if response.status().is_success() => Outcome::Delivered,
        Ok(response) => {
            let (status, why) = (response.status(), format!("the server answered {}", response.status()));
            let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let is_temporary = status.is_server_error()
                || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            match is_temporary {
                true => Outcome::Retry { after: asked.map(Duration::from_secs), why },
                false => Outcome::Refused { why },
            }
        }
        Err(error) if error.is_connect() => Outcome::Retry { after: None, why: error.without_url().to_string() },
        Err(error) => Outcome::Unclear { why: error.without_url().to_string() },
    }
}
