//! Fetches the peers of a running site, page by page.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, bail};
use easytier_probe::backend::is_loopback;
use easytier_uptime_hub::peer_file::{Placed, list_of, of_json, parse};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use crate::runtime;

/// Page sizes to try before [`SMALLEST_PAGE_SIZE`], because sites have different maximums.
const PAGE_SIZES: [u32; 2] = [1000, 100];
const SMALLEST_PAGE_SIZE: u32 = 20;
/// The maximum number of pages, for sites that never reach a last one.
const MAX_PAGES: u32 = 10_000;
const MAX_RESPONSE_BYTES: usize = 64 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

pub fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Fetches the peers of all pages.
pub fn all(source: &str) -> anyhow::Result<Vec<Placed>> {
    let url = list_url(source)?;
    easytier::tunnel::insecure_tls::init_crypto_provider();
    let runtime = runtime::single_threaded()?;
    runtime.block_on(async {
        let mut client =
            Client::builder().user_agent(concat!("easytier-uptime/", env!("CARGO_PKG_VERSION"))).timeout(TIMEOUT);
        if is_loopback(&url) {
            client = client.no_proxy();
        }
        if url.scheme() == "http" && is_loopback(&url) {
            // A machine without CA certificates can use this client too.
            client = client.tls_certs_only([]);
        }
        let client = client.build().context("cannot make an HTTP client")?;
        pages(&client, &url).await.with_context(|| format!("nothing was imported from {source}"))
    })
}

/// The URL of a site's list of nodes. A URL with a path is not changed.
fn list_url(source: &str) -> anyhow::Result<Url> {
    let mut url: Url = source.parse().with_context(|| format!("'{source}' is not a URL"))?;
    if ["", "/api"].contains(&url.path().trim_end_matches('/')) {
        url.set_path("/api/nodes");
    }
    Ok(url)
}

async fn pages(client: &Client, url: &Url) -> anyhow::Result<Vec<Placed>> {
    let (size, mut response) = first_page(client, url).await?;
    let mut read = Vec::new();
    let mut seen = HashSet::new();
    for page in 2..=MAX_PAGES {
        let document: Value = match serde_json::from_str(&response) {
            Ok(document) => document,
            // A file on a web server may have any format.
            Err(_) if read.is_empty() && !response.trim_start().starts_with(['<', '{', '[']) => {
                return parse(&response).map_err(anyhow::Error::msg);
            }
            Err(error) => bail!("the response of {url} is not JSON: {error}"),
        };
        let next = next_page(&document, size, page);
        let list = list_of(document).map_err(|problem| anyhow::anyhow!("the response of {url} is {problem}"))?;
        let count = list.len();
        // A site without pages returns the same list again.
        let new: Vec<Value> = list.into_iter().filter(|peer| seen.insert(peer.to_string())).collect();
        let is_last = new.is_empty() || count == 0;
        read.extend(of_json(new, read.len() + 1));
        match next {
            Some(query) if !is_last => response = get(client, &with_query(url, &query)).await?,
            _ => return Ok(read),
        }
    }
    bail!("{url} has more than {MAX_PAGES} pages");
}

/// The first page, with the largest page size that the site accepts.
async fn first_page(client: &Client, url: &Url) -> anyhow::Result<(u32, String)> {
    for size in PAGE_SIZES {
        match get(client, &with_query(url, &page_query(1, size))).await {
            Ok(response) => return Ok((size, response)),
            Err(error) if error.is::<PageRefused>() => {}
            Err(error) => return Err(error),
        }
    }
    let response = get(client, &with_query(url, &page_query(1, SMALLEST_PAGE_SIZE))).await?;
    Ok((SMALLEST_PAGE_SIZE, response))
}

fn page_query(page: u32, size: u32) -> Vec<(&'static str, String)> {
    vec![("page", page.to_string()), ("per_page", size.to_string())]
}

/// The query of the next page, if there is one: by number, as in the public API, or by cursor, as in our `GET /peers`.
fn next_page(document: &Value, size: u32, next: u32) -> Option<Vec<(&'static str, String)>> {
    let data = document.get("data")?;
    if let Some(cursor) = data.get("next_cursor").and_then(Value::as_str) {
        return Some(vec![("cursor", cursor.to_owned())]);
    }
    let pages = data.get("total_pages").and_then(Value::as_u64)?;
    (u64::from(next) <= pages).then(|| page_query(next, size))
}

/// `url` with these parameters, which replace those with the same names.
fn with_query(url: &Url, query: &[(&str, String)]) -> Url {
    let mut result = url.clone();
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| query.iter().all(|(new, _)| new != name))
        .map(|(n, v)| (n.into(), v.into()))
        .collect();
    result.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(query);
    result
}

/// The site refused the request, perhaps because of the page size.
#[derive(Debug, thiserror::Error)]
#[error("{url} answered {status}{}", hint(*status))]
struct PageRefused {
    url: Url,
    status: StatusCode,
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "; use the URL of the site, or of its list of nodes, such as https://HOST/api/nodes",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; only public lists can be imported",
        _ => "",
    }
}

async fn get(client: &Client, url: &Url) -> anyhow::Result<String> {
    let unreachable = |error| anyhow::anyhow!("{url} cannot be reached: {}", anyhow::Error::new(error).root_cause());
    let request = client.get(url.clone()).header("accept", "application/json");
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY].contains(&status) {
        return Err(PageRefused { url: url.clone(), status }.into());
    }
    if !status.is_success() {
        bail!("{url} answered {status}{}", hint(status));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(|| format!("the response of {url} was cut off"))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_RESPONSE_BYTES {
            bail!("the response of {url} is longer than {} MiB", MAX_RESPONSE_BYTES >> 20);
        }
    }
    String::from_utf8(body).with_context(|| format!("the response of {url} is not UTF-8"))
}
