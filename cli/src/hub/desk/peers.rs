//! The peers and submissions of a hub.

use easytier_uptime_hub::{
    CheckDepth,
    service::{Entry, NodeChange, NodeId},
};
use easytier_uptime_store::{
    Store,
    domain::{NodeFilter, PageRequest, PeerFilter, PeerOrder, PeerSpec},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Desk, DeskError, admin,
    listed::{Listed, RemoteNode},
};
use crate::hub::remote::Remote;

const NODES: [&str; 2] = ["admin", "nodes"];

/// How many nodes are read of a hub elsewhere at a time.
const PER_PAGE: usize = 1000;

#[derive(Deserialize)]
struct RemoteNodes {
    items: Vec<RemoteNode>,
    total: usize,
}

impl Desk {
    /// The peers, unless `only_pending`, then the submissions, each the oldest first.
    pub async fn peers(&self, only_pending: bool, search: Option<&str>) -> Result<Vec<Listed>, DeskError> {
        match self {
            Self::Here(store) => Ok(of_store(store, only_pending, search).await?),
            Self::There(hub) => of_remote(hub, only_pending, search).await,
        }
    }

    /// A peer or a submission.
    pub async fn peer(&self, id: NodeId) -> Result<Listed, DeskError> {
        Ok(match self {
            Self::Here(store) => Listed::from(&admin(store).node(id).await?),
            Self::There(hub) => hub.get::<RemoteNode>(&path(&id.to_string(), None), &[]).await?.into(),
        })
    }

    /// Adds a peer, and returns its ID.
    pub async fn add_peer(&self, spec: &PeerSpec) -> Result<i64, DeskError> {
        Ok(match self {
            Self::Here(store) => admin(store).add_node(spec).await?.0,
            Self::There(hub) => hub.send::<RemoteNode>(Method::POST, &NODES, Some(&addition(spec))).await?.id,
        })
    }

    /// Changes a peer or a submission.
    pub async fn change_peer(&self, id: NodeId, change: NodeChange) -> Result<(), DeskError> {
        match self {
            Self::Here(store) => admin(store).change_node(id, change).await?,
            Self::There(hub) => {
                hub.send::<Value>(Method::PUT, &path(&id.to_string(), None), Some(&document(&change))).await?;
            }
        }
        Ok(())
    }

    /// Approves a peer or a submission, and returns the ID that it has now.
    pub async fn approve_peer(&self, id: NodeId) -> Result<i64, DeskError> {
        Ok(match self {
            Self::Here(store) => admin(store).approve_node(id).await?.0,
            Self::There(hub) => {
                hub.send::<RemoteNode>(Method::PUT, &path(&id.to_string(), Some("approve")), None).await?.id
            }
        })
    }

    /// Takes a peer off the list.
    pub async fn revoke_peer(&self, id: NodeId) -> Result<(), DeskError> {
        match self {
            Self::Here(store) => admin(store).revoke_node(id).await?,
            Self::There(hub) => {
                hub.send::<Value>(Method::PUT, &path(&id.to_string(), Some("revoke")), None).await?;
            }
        }
        Ok(())
    }

    /// Removes a peer, or rejects a submission.
    pub async fn remove_peer(&self, id: NodeId) -> Result<(), DeskError> {
        match self {
            Self::Here(store) => admin(store).remove_node(id).await?,
            Self::There(hub) => hub.send(Method::DELETE, &path(&id.to_string(), None), None).await?,
        }
        Ok(())
    }
}

fn path<'a>(id: &'a str, action: Option<&'a str>) -> Vec<&'a str> {
    NODES.into_iter().chain([id]).chain(action).collect()
}

async fn of_store(store: &Store, only_pending: bool, search: Option<&str>) -> Result<Vec<Listed>, DeskError> {
    let everything = PageRequest { page: 1, per_page: u32::MAX };
    let node = NodeFilter { search: search.map(str::to_owned), ..NodeFilter::default() };
    let filter = PeerFilter { approved: None, node, order: PeerOrder::OldestFirst };
    let mut entries = Vec::new();
    if !only_pending {
        entries.extend(store.peers(&filter, everything).await?.items.into_iter().map(Entry::Peer));
    }
    let pending = store.submissions(&filter.node, filter.order, everything).await?;
    entries.extend(pending.items.into_iter().map(Entry::Pending));
    Ok(entries.iter().map(Listed::from).collect())
}

async fn of_remote(hub: &Remote, only_pending: bool, search: Option<&str>) -> Result<Vec<Listed>, DeskError> {
    let mut nodes: Vec<RemoteNode> = Vec::new();
    for page in 1.. {
        let mut query = vec![("page", page.to_string()), ("per_page", PER_PAGE.to_string())];
        query.extend(search.map(|search| ("search", search.to_owned())));
        if only_pending {
            query.push(("is_approved", false.to_string()));
        }
        let RemoteNodes { items, total } = hub.get(&NODES, &query).await?;
        let is_last = items.is_empty() || page * PER_PAGE >= total;
        nodes.extend(items);
        if is_last {
            break;
        }
    }
    nodes.retain(|node| node.is_pending || !only_pending);
    nodes.sort_by_key(|node| (node.is_pending, node.created_at, node.id.unsigned_abs()));
    // A node that was added while pages were read moves the others.
    nodes.dedup_by_key(|node| node.id);
    Ok(nodes.into_iter().map(Listed::from).collect())
}

/// A new peer for the API; null counts as missing.
fn addition(spec: &PeerSpec) -> Value {
    let url = &spec.url;
    json!({
        "name": (!url.is_written_as(&spec.name)).then_some(&spec.name),
        "host": url.host_text(),
        "port": url.port(),
        "protocol": url.protocol(),
        "path": Some(url.path()).filter(|path| !path.is_empty()),
        "description": spec.description,
        "max_connections": spec.max_connections,
        "allow_relay": spec.allow_relay,
        "network_name": spec.network_name,
        "network_secret": spec.network_secret.as_ref().map(|secret| secret.expose()),
        "tags": spec.tags,
        "regions": spec.regions,
        "check": CheckDepth::from(spec.mode),
        "timeout_ms": spec.timeout.map(|timeout| timeout.as_millis() as u64),
    })
}

/// A change for the API; null counts as missing.
fn document(change: &NodeChange) -> Value {
    let NodeChange { node, operator, seen: _ } = change;
    json!({
        "name": node.name,
        "description": node.description,
        "max_connections": node.max_connections,
        "allow_relay": node.allow_relay,
        "network_name": node.network_name,
        "network_secret": node.network_secret.as_ref().map(|secret| secret.expose()),
        "tags": node.tags,
        "regions": operator.regions,
        "check": operator.check,
        "timeout_ms": operator.timeout_ms,
        "has_secret": operator.has_secret,
    })
}
