//! `/api/admin/nodes`: all nodes, with the fields and actions that are for the operator only.

use std::{borrow::Cow, collections::HashMap};

use axum::extract::State;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicDone, PublicEnvelope, PublicRefusal},
    input::{self, Body, Path, Query},
    paging::{LongPaging, Paged},
    parameter::{self, string},
    public::{
        item::NodeItem,
        nodes::{Filter, label},
    },
};
use easytier_uptime_store::{
    Store,
    domain::{Node, Page, PeerFilter, PeerId, PeerRecord, PeerSpec, Submission, Tag, Timestamp, UsualUsage, Verdict},
};
use serde::{Deserialize, Serialize};
use serde_html_form::de::empty_as_none;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, schema::AllOfBuilder},
};

use super::TAG;
use crate::{
    api::pending::unchecked,
    check_depth::CheckDepth,
    service::{Admin, Entry, NodeChange, NodeFields, NodeId, OperatorFields},
    web::{EditPeers, EntryPath, Permitted},
};

/// A node as the operator sees it: with counts of connections instead of percentages, and with every field but the secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdminNode {
    #[serde(flatten)]
    item: NodeItem,
    /// Whether it was submitted and waits for approval. Its `id` is then a negative number, by which it is approved, changed
    /// and deleted; it gets its own id when it is approved.
    is_pending: bool,
    /// By the vote of the regions.
    #[schema(value_type = String, example = "up")]
    verdict: Verdict,
    /// Whether it was set aside when this instance joined a cluster: it is neither checked nor shown to anybody else.
    is_set_aside: bool,
    /// For a node that waits: the ids of other nodes with its address and network, at most ten. While one of them is
    /// positive, the node cannot be approved.
    duplicates: Vec<i64>,
    /// Whether it is checked with a network secret, as a member of its network.
    has_secret: bool,
    /// Whether a stranger submitted the node; then its checks reach public addresses only.
    submitted: bool,
    /// The regions that check the node; all regions when the list is empty.
    regions: Vec<String>,
    check: CheckDepth,
    /// The deadline of one check; null for the probe's own deadline.
    timeout_ms: Option<u64>,
}

impl AdminNode {
    /// A peer and its state.
    fn listed(node: Node, record: &PeerRecord, usual: UsualUsage) -> Self {
        let verdict = node.verdict;
        let item = NodeItem::full(node, &record.spec, record.approved, usual);
        let (submitted, is_set_aside) = (record.submitted, record.set_aside);
        Self { submitted, is_set_aside, verdict, ..Self::described(item, &record.spec) }
    }

    fn pending(submission: &Submission, usual: UsualUsage) -> Self {
        let item = NodeItem::full(unchecked(submission), &submission.spec, false, usual);
        Self {
            is_pending: true,
            submitted: true,
            duplicates: submission.duplicates.iter().map(|of| NodeId::from(*of).into()).collect(),
            ..Self::described(item, &submission.spec)
        }
    }

    fn described(item: NodeItem, spec: &PeerSpec) -> Self {
        Self {
            item,
            is_pending: false,
            verdict: Verdict::Unknown,
            is_set_aside: false,
            duplicates: Vec::new(),
            has_secret: spec.network_secret.is_some(),
            submitted: false,
            regions: spec.regions.iter().cloned().map(Into::into).collect(),
            check: spec.mode.into(),
            timeout_ms: spec.timeout.map(|timeout| timeout.as_millis() as u64),
        }
    }
}

/// Selects the nodes further.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Approval {
    /// False for the nodes that wait for approval and those that were taken off the list.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = parameter::boolean, required = false)]
    is_approved: Option<bool>,
    /// Nodes with this tag, besides those with any of `tags`.
    #[serde(default, deserialize_with = "empty_as_none")]
    #[param(schema_with = label, required = false)]
    tag: Option<Tag>,
}

/// All nodes, newest first. Those that wait for approval come before the others.
#[utoipa::path(
    get, path = "/api/admin/nodes", tag = TAG, operation_id = "admin_list_nodes",
    params(LongPaging, Filter, Approval),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Paged<AdminNode>>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`.", body = PublicRefusal),
    ),
)]
pub(super) async fn list(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(store): State<Store>,
    Query(paging): Query<LongPaging>,
    Query(filter): Query<Filter>,
    Query(approval): Query<Approval>,
) -> Answer<PublicEnvelope<Paged<AdminNode>>> {
    let page = paging.request();
    let mut node = filter.parse()?;
    node.tags.extend(approval.tag);
    let filter = PeerFilter { approved: approval.is_approved, node, ..PeerFilter::default() };
    let Page { items: entries, total } = admin.nodes(&filter, page).await?;
    let items = shown_entries(&store, entries).await?;
    Ok(PublicEnvelope::of(Paged::new(Page { items, total }, page, std::convert::identity)))
}

/// A change of a node. A missing or null field leaves the stored value unchanged, and an empty text clears it.
struct NodeChangeDocument;

impl ToSchema for NodeChangeDocument {
    fn name() -> Cow<'static, str> {
        "NodeChange".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NodeFields::name().into_owned(), NodeFields::schema()));
        schemas.push((OperatorFields::name().into_owned(), OperatorFields::schema()));
        OperatorFields::schemas(schemas);
    }
}

impl PartialSchema for NodeChangeDocument {
    fn schema() -> RefOr<Schema> {
        let of = |name| Ref::from_schema_name(name);
        AllOfBuilder::new().item(of(NodeFields::name())).item(of(OperatorFields::name())).into()
    }
}

/// A node that is added: the fields of a change, with a host.
struct NewNodeDocument;

impl ToSchema for NewNodeDocument {
    fn name() -> Cow<'static, str> {
        "NewNode".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NodeChangeDocument::schemas(schemas);
    }
}

impl PartialSchema for NewNodeDocument {
    fn schema() -> RefOr<Schema> {
        let needed = ObjectBuilder::new().property("host", string()).required("host");
        AllOfBuilder::new().item(NodeChangeDocument::schema()).item(needed).into()
    }
}

/// Adds a node; it is listed at once. Submissions of the same node leave the queue.
#[utoipa::path(
    post, path = "/api/admin/nodes", tag = TAG, operation_id = "admin_add_node",
    request_body = NewNodeDocument,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = CONFLICT, description = "A node with this address and network exists, or this instance is a dependent.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn add(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(store): State<Store>,
    Body(document): Body<serde_json::Map<String, serde_json::Value>>,
) -> Answer<PublicEnvelope<AdminNode>> {
    let id = admin.create_node(change_of(document)?).await?;
    shown(&admin, &store, NodeId::Peer(id)).await
}

/// The body is read twice, because serde does not report which field of a flattened struct is wrong.
fn change_of(document: serde_json::Map<String, serde_json::Value>) -> Result<NodeChange, Refusal> {
    let document = serde_json::Value::from(document).to_string();
    let (node, operator): (NodeFields, OperatorFields) = (input::parse(&document)?, input::parse(&document)?);
    Ok(NodeChange { node, operator, seen: None })
}

/// A node with every field but the secret.
#[utoipa::path(
    get, path = "/api/admin/nodes/{id}", tag = TAG, operation_id = "admin_node",
    params(EntryPath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn one(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(store): State<Store>,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Answer<PublicEnvelope<AdminNode>> {
    shown(&admin, &store, id).await
}

/// Changes a node.
#[utoipa::path(
    put, path = "/api/admin/nodes/{id}", tag = TAG, operation_id = "admin_change_node",
    params(EntryPath), request_body = NodeChangeDocument,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "Another node has this address and network, or this instance is a dependent.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn change(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(store): State<Store>,
    Path(EntryPath { id }): Path<EntryPath>,
    Body(document): Body<serde_json::Map<String, serde_json::Value>>,
) -> Answer<PublicEnvelope<AdminNode>> {
    admin.change_node(id, change_of(document)?).await?;
    shown(&admin, &store, id).await
}

/// Lists a node: everybody sees it, and probes check it. A node that waited gets its id now, which is in the response.
#[utoipa::path(
    put, path = "/api/admin/nodes/{id}/approve", tag = TAG, operation_id = "admin_approve_node",
    params(EntryPath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "A node with this address and network exists, or this instance is a dependent.", body = PublicRefusal),
    ),
)]
pub(super) async fn approve(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(store): State<Store>,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Answer<PublicEnvelope<AdminNode>> {
    let id = admin.approve_node(id).await?;
    shown(&admin, &store, NodeId::Peer(id)).await
}

/// Takes a node off the list without deleting it. A node that waits for approval is not on the list and keeps waiting.
#[utoipa::path(
    put, path = "/api/admin/nodes/{id}/revoke", tag = TAG, operation_id = "admin_revoke_node",
    params(EntryPath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<AdminNode>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent.", body = PublicRefusal),
    ),
)]
pub(super) async fn revoke(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    State(store): State<Store>,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Answer<PublicEnvelope<AdminNode>> {
    admin.revoke_node(id).await?;
    shown(&admin, &store, id).await
}

/// Deletes a node, or rejects one that waits for approval. Its id is never used again.
#[utoipa::path(
    delete, path = "/api/admin/nodes/{id}", tag = TAG, operation_id = "admin_remove_node",
    params(EntryPath),
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicDone),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `peers`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent.", body = PublicRefusal),
    ),
)]
pub(super) async fn remove(
    _: Permitted<EditPeers>,
    State(admin): State<Admin>,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Answer<PublicEnvelope<()>> {
    admin.remove_node(id).await?;
    Ok(PublicEnvelope::done("the node is deleted"))
}

/// A node as it is now.
async fn shown(admin: &Admin, store: &Store, id: NodeId) -> Answer<PublicEnvelope<AdminNode>> {
    let entry = admin.node(id).await?;
    let node = shown_entries(store, vec![entry]).await?.pop();
    Ok(PublicEnvelope::of(node.ok_or_else(|| Refusal::not_found("node"))?))
}

/// The nodes with their states. A node that was deleted meanwhile is left out.
async fn shown_entries(store: &Store, entries: Vec<Entry>) -> Result<Vec<AdminNode>, Refusal> {
    let id = |entry: &Entry| match entry {
        Entry::Peer(record) => Some(record.id),
        Entry::Pending(_) => None,
    };
    let ids: Vec<PeerId> = entries.iter().filter_map(id).collect();
    let usual = store.usual_usage().await?;
    let nodes = store.nodes_by_id(&ids, Timestamp::now()).await?;
    let mut nodes: HashMap<PeerId, Node> = nodes.into_iter().map(|node| (node.id, node)).collect();
    let shown = |entry| match entry {
        Entry::Pending(submission) => Some(AdminNode::pending(&submission, usual)),
        Entry::Peer(record) => Some(AdminNode::listed(nodes.remove(&record.id)?, &record, usual)),
    };
    Ok(entries.into_iter().filter_map(shown).collect())
}
