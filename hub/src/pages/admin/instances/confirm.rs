//! Promotion, demotion and removal of an instance, each after a confirmation. A confirmation counts for the epoch in which it was
//! asked.

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_store::domain::{InstanceId, Role};
use maud::html;
use serde::Deserialize;
use uuid::Uuid;

use super::{Done, PATH, refused};
use crate::{
    pages::{
        admin::{
            frame::{self, Confirmation},
            operator::Operator,
        },
        form,
        site::Site,
        view::View,
    },
    service::SyncRefusal,
    web::{Refusal, input::Query},
};

/// The instance that a question is about.
#[derive(Debug, Deserialize)]
pub struct Subject {
    id: Uuid,
}

/// A confirmation.
#[derive(Debug, Deserialize)]
struct Confirmed {
    id: Uuid,
    epoch: i64,
}

/// What is asked before it is done.
#[derive(Clone, Copy)]
enum Change {
    Promote,
    Demote,
    Remove,
}

pub async fn promotion(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(subject): Query<Subject>,
) -> Result<Response, Refusal> {
    ask(&site, &view, &subject, Change::Promote).await
}

pub async fn demotion(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(subject): Query<Subject>,
) -> Result<Response, Refusal> {
    ask(&site, &view, &subject, Change::Demote).await
}

pub async fn removal(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(subject): Query<Subject>,
) -> Result<Response, Refusal> {
    ask(&site, &view, &subject, Change::Remove).await
}

/// Begins to hand over to an instance.
pub async fn promote(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    act(&site, &view, request, Change::Promote).await
}

/// Begins to hand over to the next instance in the order.
pub async fn demote(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    act(&site, &view, request, Change::Demote).await
}

/// Removes an instance.
pub async fn remove(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    act(&site, &view, request, Change::Remove).await
}

async fn ask(site: &Site, view: &View, subject: &Subject, change: Change) -> Result<Response, Refusal> {
    let overview = site.instances.overview().await.map_err(super::failed)?;
    let refusal = match overview.instance.role {
        Role::Primary => None,
        Role::Dependent => Some(SyncRefusal::not_primary(&overview.instance)),
        Role::Standalone => Some(SyncRefusal::standalone()),
    };
    if let Some(refusal) = refusal {
        return refused(site, view, &refusal).await;
    }
    let Some(one) = overview.instances.iter().find(|one| one.instance_id.0 == subject.id) else {
        return refused(site, view, &SyncRefusal::not_found("instance")).await;
    };
    let texts = view.language.instances();
    let (action, title, hint, button, class) = match change {
        Change::Promote => ("promote", texts.promote_title, texts.promote_hint, texts.promote, "primary"),
        Change::Demote => ("demote", texts.demote_title, texts.demote_hint, texts.demote, "primary"),
        Change::Remove => ("remove", texts.remove_title, texts.remove_hint, texts.remove, "danger"),
    };
    let (id, epoch) = (one.instance_id.to_string(), overview.instance.epoch.to_string());
    let question = Confirmation {
        title,
        subject: html! {
            strong { (one.instance_name) }
            @if let Some(endpoint) = &one.public_endpoint { br; code { (endpoint) } }
        },
        hint,
        action: &format!("{PATH}/{action}"),
        fields: &[("id", &id), ("epoch", &epoch)],
        button,
        class,
        back: PATH,
        edits: false,
    };
    Ok(frame::confirmation(view, &form::no_outcome(), &question))
}

async fn act(site: &Site, view: &View, request: Request, change: Change) -> Result<Response, Refusal> {
    let Confirmed { id, epoch } = form::read(request).await?;
    match apply(site, InstanceId(id), epoch, change).await {
        Ok(done) => Ok(done.back()),
        Err(refusal) => refused(site, view, &refusal).await,
    }
}

async fn apply(site: &Site, id: InstanceId, epoch: i64, change: Change) -> Result<Done, SyncRefusal> {
    let instances = &site.instances;
    instances.require_epoch(epoch).await?;
    Ok(match change {
        Change::Promote => instances.hand_over_to(id).await.map(|_| Done::Begun)?,
        Change::Demote => instances.demote(id).await.map(|_| Done::Begun)?,
        Change::Remove => instances.remove(id).await.map(|()| Done::Removed)?,
    })
}
