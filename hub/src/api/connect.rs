//! `GET /connect` and `GET /node/any`: a good node for an EasyTier client, which takes the URL of this endpoint as a peer.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_probe::Scheme;
use easytier_uptime_monitor::{
    Party, Refusal,
    envelope::PublicRefusal,
    input::{self, Query},
    parameter::{self, Whole},
    public::nodes::{label, parse_tags, protocol, tags},
};
use easytier_uptime_store::domain::PeerId;
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{IntoParams, ToSchema, openapi::Schema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    board::{Board, Entry},
    connect::{Connector, MAX_COUNT, Wish},
    web::{App, Client, Lister},
};

/// EasyTier clients say in it which network they join, since 2.6.0.
const NETWORK_NAME: HeaderName = HeaderName::from_static("x-network-name");

/// The tag of these routes in `/openapi.json`.
const TAG: &str = "connect";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(connect)).routes(routes!(any))
}

/// What a client wants.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The region that must see the node online; its round trip counts then. Without it that of the caller's node token, and without
    /// one all regions together.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = label, required = false)]
    region: Option<String>,
    /// Nodes with any of these tags.
    #[serde(default)]
    #[param(schema_with = tags, required = false, style = Form, explode)]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = protocol, required = false)]
    protocol: Option<Scheme>,
    /// Only nodes that the last tests found relaying; when none of them fits, nodes that were never tested and whose owners offer to
    /// relay.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::boolean, required = false)]
    relay: Option<bool>,
    /// How many nodes, the best first; 1 by default.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = count, required = false)]
    count: Option<Whole<1, MAX_COUNT>>,
    /// `text`: the URLs, one a line; `json`: the nodes. Without it a redirect to the URL.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(required = false, inline)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Text,
    Json,
}

fn count() -> Schema {
    parameter::whole(1, MAX_COUNT, Some(1))
}

/// A node that fits.
#[derive(Debug, Serialize, ToSchema)]
struct Chosen {
    #[schema(value_type = i64)]
    id: PeerId,
    name: String,
    url: String,
    /// The median round trip in microseconds.
    response_time: Option<i64>,
}

impl From<&&Entry> for Chosen {
    fn from(entry: &&Entry) -> Self {
        let node = entry.node();
        Self { id: node.id, name: node.name.clone(), url: node.url.full(), response_time: node.response_us }
    }
}

impl Wanted {
    fn wish(&self, lister: Lister) -> Result<Wish, Refusal> {
        let own = match lister {
            Lister::Probe(probe) => Some(probe.region),
            Lister::Reader | Lister::Anybody => None,
        };
        Ok(Wish {
            region: input::region("region", self.region.as_deref())?.or(own),
            tags: parse_tags(&self.tags)?,
            protocol: self.protocol,
            relay: self.relay.unwrap_or_default(),
        })
    }
}

/// A good node for an EasyTier client that has the URL of this endpoint as a peer: a redirect to its URL. The node is approved, open to
/// guests, online and not full; it is drawn at random by free capacity and uptime, the better of two by load and latency. A client
/// gets the same node again for some minutes, as long as it fits, and so do all who name the same network in `X-Network-Name`.
#[utoipa::path(
    get, path = "/connect", tag = TAG, operation_id = "connect",
    params(Wanted),
    security((), ("api_key" = []), ("bearer" = []), ("node_token" = [])),
    responses(
        (status = FOUND, description = "The header `Location` is the URL of the node; with `count` it is `http://nodes/?0=URL&1=URL…`, which clients read alike"),
        (status = OK, description = "With `format`: the URLs, one a line, or the nodes", body = Vec<Chosen>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, description = "The token or key is wrong", body = PublicRefusal),
        (status = FORBIDDEN, description = "The key may not read", body = PublicRefusal),
        (status = SERVICE_UNAVAILABLE, description = "No node fits; the text says how many fail at what", body = PublicRefusal),
    ),
)]
pub(super) async fn connect(
    State(board): State<Arc<Board>>,
    State(connector): State<Connector>,
    Client(address): Client,
    lister: Lister,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let count = wanted.count.map_or(1, |Whole(count)| count as usize);
    let snapshot = board.newest().await?;
    let client = connector.client(Party::of(address), headers.get(NETWORK_NAME).map(HeaderValue::as_bytes));
    let chosen = connector.nodes(&snapshot, client, wanted.wish(lister)?, count);
    let chosen = chosen.map_err(|unfit| Refusal::unavailable(unfit.to_string()))?;
    let mut response = match wanted.format {
        None => redirect(&chosen)?,
        Some(Format::Text) => {
            chosen.iter().map(|entry| entry.node().url.full() + "\n").collect::<String>().into_response()
        }
        Some(Format::Json) => Json(chosen.iter().map(Chosen::from).collect::<Vec<_>>()).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The same under the name that lists of nodes use.
#[utoipa::path(
    get, path = "/node/any", tag = TAG, operation_id = "any_node",
    params(Wanted),
    security((), ("api_key" = []), ("bearer" = []), ("node_token" = [])),
    responses(
        (status = FOUND, description = "As `/connect`"),
        (status = OK, body = Vec<Chosen>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, description = "The token or key is wrong", body = PublicRefusal),
        (status = FORBIDDEN, description = "The key may not read", body = PublicRefusal),
        (status = SERVICE_UNAVAILABLE, body = PublicRefusal),
    ),
)]
pub(super) async fn any(
    board: State<Arc<Board>>,
    connector: State<Connector>,
    client: Client,
    lister: Lister,
    wanted: Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    connect(board, connector, client, lister, wanted, headers).await
}

/// Clients do not follow it: they read the URL in it (`http_connector.rs` of EasyTier 2.6.4).
fn redirect(chosen: &[&Entry]) -> Result<Response, Refusal> {
    let location = match chosen {
        [only] => only.node().url.full(),
        several => {
            let urls = several.iter().enumerate().map(|(nth, entry)| (nth.to_string(), entry.node().url.full()));
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(urls).finish();
            format!("http://nodes/?{query}")
        }
    };
    let location = HeaderValue::try_from(location).map_err(|_| Refusal::internal())?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}
