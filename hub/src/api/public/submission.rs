//! `POST /api/nodes`: nodes that anybody may submit.

use axum::extract::State;
use easytier_uptime_monitor::{
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::{Body, MAX_STRANGERS_BODY},
    parameter::string,
    public::item::NodeItem,
};
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
    api::pending::unchecked,
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
/// operator sees. Until then its `id` is negative; the node gets another one when it is approved. A submission that nobody
/// approves within 30 days is deleted. The response does not tell whether the node is listed or waits already.
#[utoipa::path(
    post, path = "/api/nodes", tag = TAG, operation_id = "submit_node",
    request_body = Submission,
    responses(
        (status = OK, body = PublicEnvelope<NodeItem>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = CONFLICT, description = "This instance is a dependent: nodes are submitted at its primary.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
        (status = TOO_MANY_REQUESTS, body = PublicRefusal),
        (status = SERVICE_UNAVAILABLE, description = "Too many nodes wait for approval.", body = PublicRefusal),
    ),
)]
pub(super) async fn submit(
    State(submissions): State<Submissions>,
    Poster(address): Poster,
    Body(Submission(fields)): Body<Submission, MAX_STRANGERS_BODY>,
) -> Answer<PublicEnvelope<NodeItem>> {
    let submission = submissions.submit(address, fields).await?;
    Ok(PublicEnvelope::with_message(
        NodeItem::pending(unchecked(&submission)),
        "the node is listed once it is approved",
    ))
}
