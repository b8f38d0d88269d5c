//! `/admin/nodes/{id}/delete`: asks for confirmation, and deletes a node.

use axum::{extract::State, response::Response};
use maud::html;

use super::{
    frame::{self, Confirmation},
    nodes::Done,
    operator::Operator,
};
use crate::{
    pages::{form, site::Site, view::View},
    service::ServiceError,
    web::{input::Path, parameter::NodePath},
};

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<Response, ServiceError> {
    let node = site.admin.node(id).await?.spec;
    let texts = view.texts();
    let question = Confirmation {
        title: texts.delete_title,
        subject: html! { strong { (node.name) } br; code { (node.url) } },
        hint: texts.delete_hint,
        action: &view.at(&format!("/admin/nodes/{id}/delete"), &[]),
        fields: &[],
        button: texts.delete,
        back: &view.at("/admin", &[]),
    };
    Ok(frame::confirmation(&view, &form::no_outcome(), &question))
}

pub async fn delete(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(NodePath { id }): Path<NodePath>,
) -> Result<Response, ServiceError> {
    site.admin.remove_node(id).await?;
    Ok(Done::Deleted.back(&view))
}
