//! `/admin/channels`: where changes are told. `/admin/channels/new` adds a channel, `/admin/channels/{id}` changes one and lists
//! its rules.

mod edit;
mod form;
mod list;
mod rule_form;
mod rules;

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_alerts::ChannelKind;
use easytier_uptime_store::StoreError;
use maud::html;
use serde::Deserialize;

pub use self::{
    edit::{add, edit, new, save},
    rules::{
        add as add_rule, edit as edit_rule, new as new_rule, removal as rule_removal, remove as remove_rule,
        save as save_rule,
    },
};
use super::{
    frame::{self, Confirmation},
    operator::Operator,
};
use crate::{
    pages::{
        form::{Outcome, done, no_outcome, outcome, read, refused, see_other, with_refusal},
        site::Site,
        view::View,
    },
    service::{
        ServiceError,
        alerts::{ChannelChange, ChannelView},
    },
    web::{
        Refusal,
        input::{Path, Query},
    },
};

const LIST: &str = "/admin/channels";

/// What was done before this page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DoneQuery {
    done: String,
}

/// The id of a channel in a path.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct ChannelPath {
    id: i64,
}

/// The form that enables or disables a channel.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnableForm {
    enabled: String,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<DoneQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.channels();
    let outcome = match query.done.as_str() {
        "enabled" => done(texts.enabled),
        "disabled" => done(texts.disabled),
        "removed" => done(texts.removed),
        _ => no_outcome(),
    };
    list::page(&site, &view, &outcome).await
}

/// Enables or disables a channel.
pub async fn enable(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
    request: Request,
) -> Result<Response, Refusal> {
    let (EnableForm { enabled }, view) = (read(request).await?, view.moved_to(LIST));
    let channel = channel(&site, id).await?;
    let change = ChannelChange { enabled: Some(!enabled.is_empty()), ..ChannelChange::default() };
    match site.alerts.change_channel(&channel.name, change).await {
        Ok(_) => Ok(see_other(&format!("{LIST}?done={}", if enabled.is_empty() { "disabled" } else { "enabled" }))),
        Err(error) => Ok(with_refusal(list::page(&site, &view, &refused(&view, &error)).await?, error)),
    }
}

/// Sends a test message, and says how that ended.
pub async fn test(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
) -> Result<Response, ServiceError> {
    let (channel, view) = (channel(&site, id).await?, view.moved_to(LIST));
    let tested = site.alerts.test_channel(&channel.name, view.language.of_messages()).await?;
    let is_good = tested == easytier_uptime_alerts::Outcome::Delivered;
    let words = html! { p { strong { (channel.name) } (view.language.dash()) (view.language.tested(&tested)) } };
    let told = outcome(if is_good { Outcome::Good } else { Outcome::Bad }, &words);
    list::page(&site, &view, &told).await
}

/// Asks before a channel is removed.
pub async fn removal(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ChannelPath { id }): Path<ChannelPath>,
) -> Result<Response, ServiceError> {
    let (channel, texts) = (channel(&site, id).await?, view.language.channels());
    let question = Confirmation {
        title: texts.remove_title,
        subject: html! { strong { (channel.name) } " · " (kind_name(&view, &channel)) },
        hint: texts.remove_hint,
        action: &format!("{LIST}/{id}/remove"),
        fields: &[],
        button: texts.remove,
        class: "danger",
        back: LIST,
        edits: true,
    };
    Ok(frame::confirmation(&view, &no_outcome(), &question))
}

/// Removes a channel.
pub async fn remove(
    _: Operator,
    State(site): State<Site>,
    Path(ChannelPath { id }): Path<ChannelPath>,
) -> Result<Response, ServiceError> {
    let channel = channel(&site, id).await?;
    site.alerts.remove_channel(&channel.name).await?;
    Ok(see_other("/admin/channels?done=removed"))
}

/// The channel with an id. Names are unique, and come before ids where a channel is named: so that is done by name afterwards.
async fn channel(site: &Site, id: i64) -> Result<ChannelView, ServiceError> {
    let found = site.alerts.channels().await?.into_iter().find(|channel| channel.id == id);
    Ok(found.ok_or(StoreError::NotFound("channel"))?)
}

fn kind_name(view: &View, channel: &ChannelView) -> String {
    let kind = ChannelKind::from_name(&channel.kind);
    kind.map_or_else(|| channel.kind.clone(), |kind| view.language.channel_kind(kind).to_owned())
}
