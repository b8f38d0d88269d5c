//! `/admin/maintenance`: the maintenance windows, and the form that makes one. `/admin/maintenance/{id}` changes one.

mod form;

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_store::domain::{MaintenanceWindow, Timestamp, WindowId};
use maud::{Markup, html};
use serde::Deserialize;

use self::form::WindowForm;
use super::{
    frame::{self, Confirmation},
    operator::Operator,
};
use crate::{
    pages::{
        form::{done, field_error, no_outcome, read, refused, see_other, with_refusal},
        format::{self, NOTHING},
        site::Site,
        standing,
        view::View,
        widgets,
    },
    service::ServiceError,
    web::{
        Refusal,
        input::{Path, Query},
    },
};

const LIST: &str = "/admin/maintenance";

#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    done: String,
}

/// The id of a window in a path.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct WindowPath {
    id: WindowId,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<ListQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.maintenance();
    let outcome = match query.done.as_str() {
        "added" => done(texts.added),
        "saved" => done(view.texts().saved),
        "ended" => done(texts.ended),
        "removed" => done(texts.removed),
        _ => no_outcome(),
    };
    listed(&site, &view, &WindowForm::new(view.language), None, &outcome).await
}

/// Makes a window.
pub async fn add(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: WindowForm = read(request).await?;
    let Err(error) = make(&site, &form).await else { return Ok(see_other("/admin/maintenance?done=added")) };
    let page = listed(&site, &view, &form, Some(&error), &refused(&view, &error)).await?;
    Ok(with_refusal(page, error))
}

async fn make(site: &Site, form: &WindowForm) -> Result<WindowId, ServiceError> {
    site.admin.add_maintenance(form.fields()?).await
}

/// The form that changes a window.
pub async fn edit(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(WindowPath { id }): Path<WindowPath>,
) -> Result<Response, ServiceError> {
    let window = site.admin.maintenance_window(id).await?;
    Ok(edited(&view, id, &WindowForm::of(&window), None, &no_outcome()))
}

/// Changes a window.
pub async fn save(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(WindowPath { id }): Path<WindowPath>,
    request: Request,
) -> Result<Response, Refusal> {
    let form: WindowForm = read(request).await?;
    let Err(error) = change(&site, id, &form).await else { return Ok(see_other("/admin/maintenance?done=saved")) };
    Ok(with_refusal(edited(&view, id, &form, Some(&error), &refused(&view, &error)), error))
}

async fn change(site: &Site, id: WindowId, form: &WindowForm) -> Result<(), ServiceError> {
    site.admin.change_maintenance(id, form.seen(), form.fields()?).await
}

/// Ends the occurrence that takes place now.
pub async fn end(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(WindowPath { id }): Path<WindowPath>,
) -> Result<Response, Refusal> {
    let Err(error) = site.admin.end_maintenance(id).await else {
        return Ok(see_other("/admin/maintenance?done=ended"));
    };
    let view = view.moved_to(LIST);
    let page = listed(&site, &view, &WindowForm::new(view.language), None, &refused(&view, &error)).await?;
    Ok(with_refusal(page, error))
}

/// Asks before a window is removed.
pub async fn removal(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(WindowPath { id }): Path<WindowPath>,
) -> Result<Response, ServiceError> {
    let (window, texts) = (site.admin.maintenance_window(id).await?, view.language.maintenance());
    let question = Confirmation {
        title: texts.remove_title,
        subject: html! { strong { (title(&view, &window)) } },
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

/// Removes a window.
pub async fn remove(
    _: Operator,
    State(site): State<Site>,
    Path(WindowPath { id }): Path<WindowPath>,
) -> Result<Response, ServiceError> {
    site.admin.remove_maintenance(id).await?;
    Ok(see_other("/admin/maintenance?done=removed"))
}

/// The page of one window.
fn edited(view: &View, id: WindowId, form: &WindowForm, error: Option<&ServiceError>, outcome: &Markup) -> Response {
    let texts = view.language.maintenance();
    let form = html! {
        form.sheet method="post" action=(format!("{LIST}/{id}")) {
            (form.render(view.language, error.and_then(field_error)))
            div.actions {
                button.primary type="submit" { (view.texts().save) }
                a.button href=(LIST) { (view.texts().cancel) }
            }
        }
    };
    let content = html! { (outcome) (standing::edits(view, &form)) };
    frame::page(view, texts.title, &content)
}

async fn listed(
    site: &Site,
    view: &View,
    form: &WindowForm,
    error: Option<&ServiceError>,
    outcome: &Markup,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.language.maintenance(), Timestamp::now());
    let windows = site.admin.maintenance_windows().await?;
    let form = html! {
        form.sheet method="post" action=(LIST) {
            h2 { (texts.new) }
            (form.render(view.language, error.and_then(field_error)))
            button.primary type="submit" { (view.texts().create) }
        }
    };
    let content = html! {
        (outcome)
        p.muted { (texts.hint) }
        section.panel {
            h2 { (texts.title) }
            @if windows.is_empty() { p.empty { (view.texts().none) } } @else { (table(view, &windows, now)) }
        }
        (standing::edits(view, &form))
    };
    Ok(frame::page(view, texts.title, &content))
}

fn table(view: &View, windows: &[MaintenanceWindow], now: Timestamp) -> Markup {
    let texts = view.language.maintenance();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.window, texts.covers, texts.when, texts.repeat, view.texts().actions]))
                tbody { @for window in windows { (row(view, window, now)) } }
            }
        }
    }
}

fn row(view: &View, window: &MaintenanceWindow, now: Timestamp) -> Markup {
    let (texts, language) = (view.language.maintenance(), view.language);
    let (active, schedule) = (window.active(now), window.spec.schedule.text());
    html! {
        tr {
            th scope="row" { a href=(format!("{LIST}/{}", window.id)) { (title(view, window)) } }
            td data-label=(texts.covers) { (language.coverage(&window.spec.coverage)) }
            td data-label=(texts.when) {
                @match (active, window.next(now)) {
                    (Some(active), _) => { strong { (texts.now_until) " " (format::minute(active.ends_at)) " UTC" } },
                    (None, Some(next)) => { (widgets::ahead(language, next.begins_at, now)) " · " (format::minute(next.begins_at)) " UTC" },
                    (None, None) => (texts.over),
                }
            }
            td data-label=(texts.repeat) {
                @match &schedule.rrule {
                    Some(rule) => { code { (rule) } " · " (schedule.time_zone) },
                    None => (NOTHING),
                }
            }
            td.acts {
                @if !standing::is_closed(view) {
                    @if active.is_some() { (frame::button(&format!("{LIST}/{}/end", window.id), texts.end, "")) " " }
                    a.button href=(format!("{LIST}/{}", window.id)) { (texts.edit) } " "
                    a.button.danger href=(format!("{LIST}/{}/remove", window.id)) { (texts.remove) }
                }
            }
        }
    }
}

fn title<'a>(view: &View, window: &'a MaintenanceWindow) -> &'a str {
    view.language.title(&window.spec.title, window.spec.title_zh.as_deref())
}
