//! `/admin/nodes/{id}/delete`: asks for confirmation, and deletes a node or rejects a
//! submission.

use axum::{extract::State, response::Response};
use maud::html;

use super::{
    frame::{self, Confirmation},
    nodes::{Done, is_shared},
    operator::Operator,
};
use crate::{
    pages::{form, site::Site, view::View},
    service::{NodeId, ServiceError},
    web::{EntryPath, input::Path},
};

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, ServiceError> {
    let entry = site.admin.node(id).await?;
    let (node, texts) = (entry.spec(), view.texts());
    let (title, hint, button) = match id {
        NodeId::Pending(_) => (texts.reject_title, texts.reject_hint, texts.reject),
        NodeId::Peer(_) => (texts.delete_title, texts.delete_hint, texts.delete),
    };
    let question = Confirmation {
        title,
        subject: html! { strong { (node.name) } br; code { (node.url) } },
        hint,
        action: &view.at(&format!("/admin/nodes/{id}/delete"), &[]),
        fields: &[],
        button,
        class: "danger",
        back: &view.at("/admin", &[]),
        edits: is_shared(&entry),
    };
    Ok(frame::confirmation(&view, &form::no_outcome(), &question))
}

pub async fn delete(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Response, ServiceError> {
    site.admin.remove_node(id).await?;
    Ok(match id {
        NodeId::Pending(_) => Done::Rejected.back(&view),
        NodeId::Peer(_) => Done::Deleted.back(&view),
    })
}
