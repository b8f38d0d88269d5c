//! Where the routes get the nodes from: a daemon reads them from its store, a hub has them in memory.

use std::pin::Pin;

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use easytier_uptime_store::{
    Store,
    domain::{NodeFilter, Page, PageRequest, PeerId, Presence, Timestamp, Verdict},
};
use serde::Serialize;

use super::item::NodeItem;
use crate::{envelope::PublicEnvelope, paging::Paged, refusal::Refusal};

/// The media type of the API.
pub const JSON: &str = "application/json";

/// What an operation of [`Nodes`] returns.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// Where the routes get the nodes from.
pub trait Nodes: Send + Sync {
    /// A page of the list, as [`list_document`] renders it. `request`: the headers of the request.
    fn list<'a>(&'a self, filter: NodeFilter, page: PageRequest, request: &'a HeaderMap) -> Reading<'a, Response>;

    /// One node, as [`node_document`] renders it.
    fn node<'a>(&'a self, id: PeerId, request: &'a HeaderMap) -> Reading<'a, Response>;

    /// The address of a node, `protocol://host:port`.
    fn address(&self, id: PeerId) -> Reading<'_, String>;

    /// The tags of all nodes, sorted.
    fn tags(&self) -> Reading<'_, Vec<String>>;

    /// The figures for `/metrics`.
    fn figures(&self) -> Reading<'_, Figures>;

    /// Whether they are read from memory; otherwise each request reads the database.
    fn are_in_memory(&self) -> bool;

    /// Since when the nodes are out of date, because the database does not answer.
    fn stale_since(&self) -> Option<Timestamp>;
}

/// What `/metrics` shows about nodes and probes.
#[derive(Debug, Default)]
pub struct Figures {
    /// How many nodes have each verdict.
    pub nodes: Vec<(Verdict, u64)>,
    /// The presence of each probe.
    pub probes: Vec<Presence>,
    /// How many regions are in doubt.
    pub doubted_regions: usize,
}

/// The document of one page of nodes; `page` holds the items.
///
/// # Errors
///
/// When an item cannot be written as JSON.
pub fn list_document<T: Serialize>(page: Page<T>, request: PageRequest) -> Result<Bytes, Refusal> {
    document(Paged::new(page, request, |item| item))
}

/// The document of one node.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn node_document<T: Serialize>(item: T) -> Result<Bytes, Refusal> {
    document(item)
}

/// A document of the public API.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn document<T: Serialize>(data: T) -> Result<Bytes, Refusal> {
    let envelope = PublicEnvelope::of(data).0;
    serde_json::to_vec(&envelope).map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "a document cannot be written");
        Refusal::internal()
    })
}

fn json(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], document).into_response()
}

/// Reads the store at each request. The documents have no version.
impl Nodes for Store {
    fn list<'a>(&'a self, filter: NodeFilter, page: PageRequest, _: &'a HeaderMap) -> Reading<'a, Response> {
        Box::pin(async move {
            let found = self.nodes(&filter, page, Timestamp::now()).await?;
            let usual = self.usual_usage().await?;
            let items = found.items.into_iter().map(|node| NodeItem::public(node, usual)).collect();
            let bytes = list_document(Page { items, total: found.total }, page)?;
            Ok(json(bytes))
        })
    }

    fn node<'a>(&'a self, id: PeerId, _: &'a HeaderMap) -> Reading<'a, Response> {
        Box::pin(async move {
            let node = Self::node(self, id, Timestamp::now()).await?;
            let bytes = node_document(NodeItem::public(node, self.usual_usage().await?))?;
            Ok(json(bytes))
        })
    }

    fn address(&self, id: PeerId) -> Reading<'_, String> {
        Box::pin(async move { Ok(self.node_url(id).await?.full()) })
    }

    fn tags(&self) -> Reading<'_, Vec<String>> {
        Box::pin(async move { Ok(Self::tags(self).await?) })
    }

    fn figures(&self) -> Reading<'_, Figures> {
        Box::pin(async move {
            let probes = self.probes(Timestamp::now()).await?;
            Ok(Figures {
                nodes: self.count_peers().await?,
                probes: probes.into_iter().map(|probe| probe.presence).collect(),
                doubted_regions: self.doubts().await?.len(),
            })
        })
    }

    fn are_in_memory(&self) -> bool {
        false
    }

    fn stale_since(&self) -> Option<Timestamp> {
        None
    }
}
