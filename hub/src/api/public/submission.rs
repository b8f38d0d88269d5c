//! Nodes that anybody may propose.

use std::net::IpAddr;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema,
        schema::{AllOfBuilder, AnyOfBuilder},
    },
};

use super::{
    TAG,
    fields::{NodeFields, VISIBLE, wrong},
    item::NodeItem,
    parameter::string,
};
use crate::{
    api::{
        App,
        client::Client,
        error::{Answer, PublicEnvelope, PublicRefusal, Refusal},
        input::{self, Body},
    },
    model::{Contacts, PeerId, PeerSpec},
    time::Timestamp,
};

/// A node that somebody proposes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Submission(NodeFields);

impl Submission {
    fn parse(self) -> Result<PeerSpec, Refusal> {
        let said = self.0.parse()?;
        if said.name.is_none() {
            return Err(wrong("name", "it is missing"));
        }
        let spec = said.into_spec()?;
        if spec.contacts == Contacts::default() {
            return Err(wrong("mail", "at least one of qq_number, wechat and mail is needed"));
        }
        Ok(spec)
    }
}

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

/// Proposes a node. It is listed once the operator has approved it; at least one contact is needed, which only the
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
    State(app): State<App>,
    Client(address): Client,
    Body(submission): Body<Submission>,
) -> Answer<PublicEnvelope<NodeItem>> {
    let id = take(&app, address, submission).await?;
    let node = app.store.nodes_by_id(&[id], Timestamp::now()).await?.pop().ok_or_else(|| Refusal::not_found("node"))?;
    Ok(Json(PublicEnvelope {
        success: true,
        data: Some(NodeItem::pending(node)),
        error: None,
        message: Some("the node is listed once it is approved".to_owned()),
    }))
}

/// The same for the page: proposes a node of these fields.
pub(crate) async fn propose(app: &App, from: IpAddr, fields: &Value) -> Result<PeerId, Refusal> {
    take(app, from, input::parse(fields.to_string())?).await
}

async fn take(app: &App, from: IpAddr, submission: Submission) -> Result<PeerId, Refusal> {
    let spec = submission.parse()?;
    app.limits.submissions.check(from)?;
    Ok(app.store.submit_peer(&spec, Timestamp::now()).await?)
}
