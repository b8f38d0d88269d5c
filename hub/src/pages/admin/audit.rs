//! `/admin/events`: who changed what, from where, and which authentications failed.

use axum::{extract::State, response::Response};
use easytier_uptime_store::domain::{ActorKind, AuditEvent, AuditFilter, AuditKind, AuditObject, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{frame, operator::Operator};
use crate::{
    pages::{site::Site, view::View, widgets},
    service::{AuditPage, ServiceError},
    web::{input::Query, parameter::Id},
};

const PER_PAGE: u32 = 100;
const MAX_SEARCH: usize = 200;

/// The filters. What they do not know selects everything.
#[derive(Debug, Deserialize)]
pub struct AuditQuery {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    search: String,
    /// The id of the oldest event on the previous page.
    #[serde(default, deserialize_with = "empty_as_none")]
    before: Option<Id>,
}

impl AuditQuery {
    fn filter(&self) -> AuditFilter {
        let search: String = self.search.trim().chars().take(MAX_SEARCH).collect();
        AuditFilter {
            kind: AuditKind::from_name(&self.kind),
            actor: ActorKind::from_name(&self.actor),
            object: AuditObject::from_name(&self.object),
            search: (!search.is_empty()).then_some(search),
            before: self.before.map(|id| id.0),
        }
    }
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.language.audit(), Timestamp::now());
    let filter = query.filter();
    let AuditPage { events, next_before } = site.admin.audit(&filter, PER_PAGE).await?;
    let content = html! {
        p { (texts.hint) " " a href="/admin/status-changes" { (view.texts().changes) } }
        (filters(&view, &filter))
        section.panel {
            @if events.is_empty() { p.empty { (texts.none) } } @else {
                div.frame {
                    table.plain.stack {
                        (widgets::table_head([texts.when, texts.what, texts.who, texts.from]))
                        tbody { @for event in &events { (row(&view, event, now)) } }
                    }
                }
            }
            @if let Some(before) = next_before {
                nav.paging aria-label=(view.texts().pages) {
                    a rel="next" href=(view.with(&[("before", &before.to_string())])) { (view.texts().next) " →" }
                }
            }
        }
    };
    Ok(frame::page(&view, view.texts().events, &content))
}

fn filters(view: &View, filter: &AuditFilter) -> Markup {
    let (texts, language) = (view.language.audit(), view.language);
    let kinds = [AuditKind::Change, AuditKind::Failure].map(|kind| (kind.as_str(), language.audit_kind(kind)));
    let actors = ActorKind::ALL.iter().map(|kind| (kind.as_str(), language.actor_kind(*kind)));
    let objects = AuditObject::ALL.iter().map(|object| (object.as_str(), language.audit_object(*object)));
    html! {
        form.filters action="/admin/events" method="get" role="search" aria-label=(view.texts().filters) {
            label.wide { span { (view.texts().search) }
                input type="search" name="search" maxlength=(MAX_SEARCH) value=(filter.search.as_deref().unwrap_or_default());
            }
            (choice(view, "kind", texts.kind, kinds, filter.kind.map(AuditKind::as_str)))
            (choice(view, "actor", texts.who, actors, filter.actor.map(ActorKind::as_str)))
            (choice(view, "object", texts.what, objects, filter.object.map(AuditObject::as_str)))
            button type="submit" { (view.texts().apply) }
        }
    }
}

fn choice(
    view: &View,
    name: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'static str, &'static str)>,
    chosen: Option<&str>,
) -> Markup {
    html! {
        label { span { (label) }
            select name=(name) {
                option value="" { (view.texts().any) }
                @for (value, text) in values { option value=(value) selected[chosen == Some(value)] { (text) } }
            }
        }
    }
}

fn row(view: &View, event: &AuditEvent, now: Timestamp) -> Markup {
    let (texts, language) = (view.language.audit(), view.language);
    let AuditEvent { at, kind, action, object_id, object_name, detail, actor, source, count, .. } = event;
    html! {
        tr {
            td data-label=(texts.when) { (widgets::ago(language, *at, now)) }
            td data-label=(texts.what) {
                @match kind {
                    AuditKind::Failure => div { b { (language.auth_failure(action)) } @if *count > 1 { " × " (count) } },
                    _ => div { (language.audit_action(action)) },
                }
                @if !object_name.is_empty() || !object_id.is_empty() {
                    div { (object_name) @if !object_id.is_empty() { " " span.muted { (object_id) } } }
                }
                @if !detail.is_empty() { div.muted { (detail) } }
            }
            td data-label=(texts.who) { (language.actor_kind(actor.kind)) @if !actor.name.is_empty() { " " (actor.name) } }
            td data-label=(texts.from) { (source) }
        }
    }
}
