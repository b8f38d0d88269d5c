//! `GET /nodes.zone`: records for a name server, with which EasyTier clients read the list by `txt://` and `srv://`.

use std::{fmt::Write as _, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use easytier_uptime_monitor::{
    Refusal,
    envelope::PublicRefusal,
    input::Query,
    parameter::{self, Whole},
};
use serde::{Deserialize, Deserializer, de::Error};
use serde_html_form::de::empty_as_none;
use url::Host;
use utoipa::{IntoParams, openapi::Schema};

use super::{TAG, reachable, respond_text};
use crate::board::{Board, Entry, Snapshot};

/// Clients read only the first string of a TXT record, which has at most so many bytes.
const MAX_STRING: usize = 255;

/// The longest name of which the names of records can be made.
const MAX_NAME: usize = 200;

const DEFAULT_TTL: u32 = 60;
const MAX_TTL: u32 = 86_400;

/// The records.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The name that clients get, such as `nodes.example.org` for `txt://nodes.example.org` and `srv://nodes.example.org`.
    #[param(schema_with = name, required = true)]
    name: Name,
    /// For how many seconds name servers may keep a record.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = ttl, required = false)]
    ttl: Option<Whole<1, MAX_TTL>>,
}

fn name() -> Schema {
    parameter::string().min_length(Some(1)).max_length(Some(MAX_NAME)).pattern(Some(PATTERN)).into()
}

fn ttl() -> Schema {
    parameter::whole(1, MAX_TTL, Some(DEFAULT_TTL))
}

const PATTERN: &str = r"^[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*$";

/// A domain name without the last dot.
#[derive(Debug)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_label = |label: &str| {
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(is_good)
        };
        match text.len() <= MAX_NAME && text.split('.').all(is_label) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(D::Error::custom("must be a domain name, such as nodes.example.org")),
        }
    }
}

/// The records as a zone file has them, one a line.
struct Zone<'a> {
    name: &'a str,
    ttl: u32,
    text: String,
}

impl Zone<'_> {
    fn add(&mut self, owner: &str, record: std::fmt::Arguments<'_>) {
        let dot = if owner.is_empty() { "" } else { "." };
        // Writing to a string cannot fail.
        _ = writeln!(self.text, "{owner}{dot}{}. {} IN {record}", self.name, self.ttl);
    }

    /// The best nodes whose URLs fit.
    fn add_text(&mut self, snapshot: &Snapshot) {
        let mut string = String::new();
        for url in reachable(snapshot).map(|entry| entry.node().url.full()) {
            let space = usize::from(!string.is_empty());
            if string.len() + space + url.len() <= MAX_STRING && is_plain(&url) {
                string.extend([" "].into_iter().take(space));
                string += &url;
            }
        }
        if !string.is_empty() {
            self.add("", format_args!("TXT \"{string}\""));
        }
    }

    /// Clients take the *priority* as the weight, and fail when it is 0: the less a node is used, the greater it is. A record
    /// names no address, so a node at an address gets a name.
    fn add_service(&mut self, entry: &Entry) {
        let (node, url) = (entry.node(), &entry.node().url);
        let (Some(host), Some(port)) = (url.host(), url.port()) else { return };
        // A record has no place for a path.
        if !matches!(url.path(), "" | "/") {
            return;
        }
        let own = format!("n{}", node.id);
        let target = match host {
            Host::Domain(name) => format!("{name}."),
            Host::Ipv4(_) | Host::Ipv6(_) => format!("{own}.{}.", self.name),
        };
        match host {
            Host::Domain(_) => {}
            Host::Ipv4(address) => self.add(&own, format_args!("A {address}")),
            Host::Ipv6(address) => self.add(&own, format_args!("AAAA {address}")),
        }
        let free = 100.0 - node.usage_percentage().unwrap_or(50.0);
        let weight = free.clamp(1.0, 100.0).round();
        self.add(&format!("_easytier._{}", url.protocol()), format_args!("SRV {weight} 0 {port} {target}"));
    }
}

/// Whether it is the same within the quotes of a zone file.
fn is_plain(url: &str) -> bool {
    url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

fn zone(snapshot: &Snapshot, name: &str, ttl: u32) -> String {
    let mut zone = Zone { name, ttl, text: String::new() };
    zone.add_text(snapshot);
    reachable(snapshot).for_each(|entry| zone.add_service(entry));
    zone.text
}

/// The nodes of `/nodes.txt` as records of a zone file: one TXT record with the best, as many as its 255 bytes hold, which
/// clients read by `txt://NAME`; and an SRV record of each for `srv://NAME`, whose priority is its weight.
#[utoipa::path(
    get, path = "/nodes.zone", tag = TAG, operation_id = "nodes_for_name_servers",
    params(Wanted),
    responses(
        (status = OK, body = String, content_type = "text/plain; charset=utf-8"),
        (status = NOT_MODIFIED, description = "The caller has this version already, as `If-None-Match` says"),
        (status = BAD_REQUEST, body = PublicRefusal),
    ),
)]
pub(super) async fn export(
    State(board): State<Arc<Board>>,
    Query(wanted): Query<Wanted>,
    request: HeaderMap,
) -> Result<Response, Refusal> {
    let (Name(name), ttl) = (wanted.name, wanted.ttl.map_or(DEFAULT_TTL, |Whole(ttl)| ttl));
    let document = format!("/nodes.zone {ttl} {name}");
    respond_text(&board, document, &request, |snapshot| zone(snapshot, &name, ttl)).await
}
