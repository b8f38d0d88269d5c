//! All nodes, with what only the operator may know and do.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use axum::extract::State;
use easytier_probe::CheckMode;
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AllOfBuilder},
};

use super::{TAG, session::AdminSession};
use crate::{
    api::{
        App,
        error::{Answer, PublicDone, PublicEnvelope, PublicRefusal, Refusal},
        input::{self, Body, Path, Query},
        public::{
            fields::{NodeFields, labels, labels_schema, wrong},
            item::NodeItem,
            nodes::{MAX_SEARCH, search},
            paging::{Paged, Paging},
            parameter::{self, NodePath, Text},
        },
    },
    model::{Node, Page, PeerFilter, PeerId, PeerRecord, PeerSpec, Region},
    time::Timestamp,
};

/// A node as the operator sees it: connections are counted, not in percent, and only the secret is not shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdminNode {
    #[serde(flatten)]
    item: NodeItem,
    /// Whether it is checked with a network secret, as a member of its network.
    has_secret: bool,
    /// Whether a stranger proposed it; it is then checked at public addresses only.
    submitted: bool,
    /// Watched from these only; from everywhere when there are none.
    regions: Vec<String>,
    check: CheckWord,
    /// The deadline of one check; null for that of the probe.
    timeout_ms: Option<u64>,
}

/// How far a check goes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckWord {
    Full,
    /// To a valid answer to the handshake only, for private nodes.
    Handshake,
}

impl AdminNode {
    fn new(node: Node, record: &PeerRecord) -> Self {
        let spec = &record.spec;
        Self {
            item: NodeItem::full(node, record),
            has_secret: spec.network_secret.is_some(),
            submitted: record.submitted,
            regions: spec.regions.iter().cloned().map(Into::into).collect(),
            check: match spec.mode {
                CheckMode::Full => CheckWord::Full,
                CheckMode::Handshake => CheckWord::Handshake,
            },
            timeout_ms: spec.timeout.map(|timeout| timeout.as_millis() as u64),
        }
    }
}

/// Which nodes are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// False for the approval queue.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::boolean, required = false)]
    is_approved: Option<bool>,
    /// Part of the name, the address or the description; the case of ASCII letters makes no difference.
    #[param(schema_with = search, required = false)]
    search: Option<Text<MAX_SEARCH>>,
}

/// All nodes, newest first.
#[utoipa::path(
    get, path = "/api/admin/nodes", tag = TAG, operation_id = "admin_list_nodes",
    params(Paging, Filter),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Paged<AdminNode>>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
    ),
)]
pub(super) async fn list(
    _: AdminSession,
    State(app): State<App>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Answer<PublicEnvelope<Paged<AdminNode>>> {
    let page = paging.request();
    let (approved, search) = (filter.is_approved, filter.search.map(|search| search.0));
    let filter = PeerFilter { approved, search, oldest_first: false };
    let Page { items: records, total } = app.store.peers(&filter, page).await?;
    let ids: Vec<PeerId> = records.iter().map(|record| record.id).collect();
    let nodes = app.store.nodes_by_id(&ids, Timestamp::now()).await?;
    let mut nodes: HashMap<PeerId, Node> = nodes.into_iter().map(|node| (node.id, node)).collect();
    // One that was forgotten in between is left out.
    let items = records.into_iter().filter_map(|record| Some((nodes.remove(&record.id)?, record))).collect();
    Ok(PublicEnvelope::of(Paged::new(Page { items, total }, page, |(node, record)| AdminNode::new(node, &record))))
}

/// What the operator may change besides what a node's owner says of it.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct OperatorFields {
    /// None for everywhere.
    #[schema(schema_with = regions)]
    regions: Option<Vec<String>>,
    check: Option<CheckWord>,
    /// 0 for the deadline of the probe.
    #[serde(deserialize_with = "input::whole_number")]
    #[schema(maximum = 60_000)]
    timeout_ms: Option<u32>,
    /// False takes the secret away. True changes nothing.
    has_secret: Option<bool>,
}

const MAX_TIMEOUT_MS: u32 = 60_000;
const MAX_REGIONS: usize = 64;

fn regions() -> Schema {
    labels_schema(MAX_REGIONS)
}

/// [`OperatorFields`] that were found to be right.
struct Ordered {
    regions: Option<BTreeSet<Region>>,
    mode: Option<CheckMode>,
    timeout_ms: Option<u32>,
    without_secret: bool,
}

impl OperatorFields {
    fn parse(self) -> Result<Ordered, Refusal> {
        if self.timeout_ms.is_some_and(|timeout| timeout > MAX_TIMEOUT_MS) {
            return Err(wrong("timeout_ms", format_args!("it takes at most {MAX_TIMEOUT_MS}")));
        }
        Ok(Ordered {
            regions: self.regions.map(|regions| labels("regions", regions, MAX_REGIONS)).transpose()?,
            mode: self.check.map(|check| match check {
                CheckWord::Full => CheckMode::Full,
                CheckWord::Handshake => CheckMode::Handshake,
            }),
            timeout_ms: self.timeout_ms,
            without_secret: self.has_secret == Some(false),
        })
    }
}

impl Ordered {
    fn apply(self, spec: &mut PeerSpec) {
        if let Some(regions) = self.regions {
            spec.regions = regions;
        }
        if let Some(mode) = self.mode {
            spec.mode = mode;
        }
        if let Some(timeout) = self.timeout_ms {
            spec.timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
        }
        if self.without_secret {
            spec.network_secret = None;
        }
    }
}

/// What of a node is to change; what is missing or null stays as it is, and an empty text clears.
struct NodeChange;

impl ToSchema for NodeChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NodeFields::name().into_owned(), NodeFields::schema()));
        schemas.push((OperatorFields::name().into_owned(), OperatorFields::schema()));
        OperatorFields::schemas(schemas);
    }
}

impl PartialSchema for NodeChange {
    fn schema() -> RefOr<Schema> {
        let of = |name| Ref::from_schema_name(name);
        AllOfBuilder::new().item(of(NodeFields::name())).item(of(OperatorFields::name())).into()
    }
}

/// Changes a node.
#[utoipa::path(
    put, path = "/api/admin/nodes/{id}", tag = TAG, operation_id = "admin_change_node",
    params(NodePath), request_body = NodeChange,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "Another node has this address and network.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn change(
    _: AdminSession,
    State(app): State<App>,
    Path(NodePath { id }): Path<NodePath>,
    Body(document): Body<serde_json::Map<String, serde_json::Value>>,
) -> Answer<PublicEnvelope<AdminNode>> {
    // Read twice, because serde cannot tell which field of a flattened struct is wrong.
    let document = serde_json::Value::from(document).to_string();
    let said = input::parse::<NodeFields>(&document)?.parse()?;
    let by_operator = input::parse::<OperatorFields>(&document)?.parse()?;
    let url = said.url(&app.store.peer(id).await?.spec.url)?;
    let edit = |spec: &mut PeerSpec| {
        by_operator.apply(spec);
        said.apply(spec);
        spec.url = url;
    };
    app.store.edit_peer(id, edit, Timestamp::now()).await?;
    shown(&app, id).await
}

/// Lists a node: from now on everybody sees it and probes watch it.
#[utoipa::path(
    put, path = "/api/admin/nodes/{id}/approve", tag = TAG, operation_id = "admin_approve_node",
    params(NodePath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn approve(
    _: AdminSession,
    State(app): State<App>,
    Path(NodePath { id }): Path<NodePath>,
) -> Answer<PublicEnvelope<AdminNode>> {
    app.store.set_approved(id, true, Timestamp::now()).await?;
    shown(&app, id).await
}

/// Takes a node off the list without forgetting it.
#[utoipa::path(
    put, path = "/api/admin/nodes/{id}/revoke", tag = TAG, operation_id = "admin_revoke_node",
    params(NodePath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn revoke(
    _: AdminSession,
    State(app): State<App>,
    Path(NodePath { id }): Path<NodePath>,
) -> Answer<PublicEnvelope<AdminNode>> {
    app.store.set_approved(id, false, Timestamp::now()).await?;
    shown(&app, id).await
}

/// Forgets a node. Its id is never given again.
#[utoipa::path(
    delete, path = "/api/admin/nodes/{id}", tag = TAG, operation_id = "admin_remove_node",
    params(NodePath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The page that asks is not the hub's.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: AdminSession,
    State(app): State<App>,
    Path(NodePath { id }): Path<NodePath>,
) -> Answer<PublicEnvelope<()>> {
    app.store.delete_peer(id).await?;
    Ok(PublicEnvelope::done("the node is forgotten"))
}

/// A node as it is now.
async fn shown(app: &App, id: PeerId) -> Answer<PublicEnvelope<AdminNode>> {
    let record = app.store.peer(id).await?;
    let node = app.store.nodes_by_id(&[id], Timestamp::now()).await?.pop();
    let node = node.ok_or_else(|| Refusal::not_found("node"))?;
    Ok(PublicEnvelope::of(AdminNode::new(node, &record)))
}
