//! `POST /api/nodes`: nodes that anybody may submit.

use axum::extract::State;
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::{Body, MAX_STRANGERS_BODY},
    parameter::string,
    public::item::NodeItem,
};
use easytier_uptime_store::{Store, domain::Timestamp};
use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema,
        schema::{AllOfBuilder, AnyOfBuilder},
    },
};

use super::TAG;
use crate::{
    service::{NodeFields, Submissions, VISIBLE},
    web::Poster,
};

/// A node that somebody submits.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Submission(NodeFields);

impl ToSchema for Submission {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NodeFields::name().into_owned(), NodeFields::schema()));
    }
}

/// [`NodeFields`] with a name, a host and a contact.
impl PartialSchema for Submission {
    fn schema() -> RefOr<Schema> {
        let visible = || string().pattern(Some(VISIBLE));
        let with = |contact: &str| ObjectBuilder::new().property(contact, visible()).required(contact);
        let needed = ObjectBuilder::new()
            .property("name", string())
            .property("host", string())
            .required("name")
            .required("host");
        let contact = AnyOfBuilder::new().item(with("qq_number")).item(with("wechat")).item(with("mail"));
        AllOfBuilder::new().item(Ref::from_schema_name(NodeFields::name())).item(needed).item(contact).into()
    }
}

/// Submits a node. It is listed once the operator has approved it. At least one contact is required, which only the
/// operator sees.
#[utoipa::path(
    post, path = "/api/nodes", tag = TAG, operation_id = "submit_node",
    request_body = Submission,
    responses(
        (status = OK, body = PublicEnvelope<NodeItem>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = CONFLICT, description = "The node is listed already.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
    ),
)]
pub(super) async fn submit(
    State(submissions): State<Submissions>,
    State(store): State<Store>,
    Poster(address): Poster,
    Body(Submission(fields)): Body<Submission, MAX_STRANGERS_BODY>,
) -> Answer<PublicEnvelope<NodeItem>> {
    let id = submissions.submit(address, fields).await?;
    let node = store.nodes_by_id(&[id], Timestamp::now()).await?.pop().ok_or_else(|| Refusal::not_found("node"))?;
    Ok(PublicEnvelope::with_message(NodeItem::pending(node), "the node is listed once it is approved"))
}
