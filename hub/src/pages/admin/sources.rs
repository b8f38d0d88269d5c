//! `/admin/sources`: the lists of nodes that the hub keeps following, and the form that adds one.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_probe::peer_url::without_secrets;
use easytier_uptime_config::duration;
use easytier_uptime_store::domain::{Source, SourceId, SourceProblem, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{self, Confirmation},
    operator::Operator,
};
use crate::{
    pages::{
        form::{Fields, Input, done, field_error, no_outcome, read, refused, see_other, with_refusal},
        site::Site,
        standing,
        view::View,
        widgets,
    },
    service::{DEFAULT_EVERY, MAX_LIST_URL, MAX_NAME, NewSource, ServiceError},
    web::{
        Refusal,
        input::{Path, Query},
    },
};

const LIST: &str = "/admin/sources";

#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    done: String,
}

/// The id of a source in a path.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct SourcePath {
    id: SourceId,
}

/// The form that adds a source, as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SourceForm {
    url: String,
    name: String,
    every: String,
    trusted: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FetchForm {
    take_short: bool,
}

impl SourceForm {
    fn new() -> Self {
        Self { every: duration::format(DEFAULT_EVERY), ..Self::default() }
    }

    fn source(&self) -> NewSource {
        let Self { url, name, every, trusted } = self;
        NewSource { url: url.clone(), name: Some(name.clone()), every: Some(every.clone()), trusted: *trusted }
    }
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<ListQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.sources();
    let outcome = match query.done.as_str() {
        "added" => done(texts.added),
        "asked" => done(texts.asked),
        "removed" => done(texts.removed),
        _ => no_outcome(),
    };
    listed(&site, &view, &SourceForm::new(), None, &outcome).await
}

/// Adds a source.
pub async fn add(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: SourceForm = read(request).await?;
    let Err(error) = site.sources.add(&form.source()).await else {
        return Ok(see_other("/admin/sources?done=added"));
    };
    let page = listed(&site, &view, &form, Some(&error), &refused(&view, &error)).await?;
    Ok(with_refusal(page, error))
}

/// Has a source fetched.
pub async fn fetch(
    _: Operator,
    State(site): State<Site>,
    Path(SourcePath { id }): Path<SourcePath>,
    request: Request,
) -> Result<Response, Refusal> {
    let FetchForm { take_short } = read(request).await?;
    Ok(match site.sources.ask(id, take_short).await {
        Ok(()) => see_other("/admin/sources?done=asked"),
        Err(error) => error.into_response(),
    })
}

/// Asks before a source is removed.
pub async fn removal(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(SourcePath { id }): Path<SourcePath>,
) -> Result<Response, ServiceError> {
    let (source, texts) = (site.sources.source(id).await?, view.language.sources());
    let question = Confirmation {
        title: texts.remove_title,
        subject: html! { strong { (source.spec.name) } },
        hint: texts.remove_hint,
        action: &format!("{LIST}/{id}/remove"),
        fields: &[],
        button: texts.remove,
        class: "danger",
        back: LIST,
        edits: false,
    };
    Ok(frame::confirmation(&view, &no_outcome(), &question))
}

/// Removes a source.
pub async fn remove(
    _: Operator,
    State(site): State<Site>,
    Path(SourcePath { id }): Path<SourcePath>,
) -> Result<Response, ServiceError> {
    site.sources.remove(id).await?;
    Ok(see_other("/admin/sources?done=removed"))
}

async fn listed(
    site: &Site,
    view: &View,
    form: &SourceForm,
    error: Option<&ServiceError>,
    outcome: &Markup,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.language.sources(), Timestamp::now());
    let sources = site.sources.all().await?;
    let fields = Fields::new(view.language, error.and_then(field_error));
    let url = Input::text("url", texts.url, &form.url, MAX_LIST_URL).hint(texts.url_hint);
    let every = Input { class: "short", ..Input::text("every", texts.every, &form.every, 16).hint(texts.every_hint) };
    let form = html! {
        form.sheet method="post" action=(LIST) {
            h2 { (texts.new) }
            (fields.input(&url.required()))
            div.row {
                (fields.input(&Input::text("name", view.texts().name, &form.name, MAX_NAME).hint(texts.name_hint)))
                (fields.input(&every))
            }
            (fields.check("trusted", texts.trusted, form.trusted))
            p.muted { (texts.trusted_hint) }
            button.primary type="submit" { (texts.add) }
        }
    };
    let content = html! {
        (outcome)
        p.muted { (texts.hint) }
        section.panel {
            h2 { (texts.title) }
            @if sources.is_empty() { p.empty { (view.texts().none) } } @else { (table(view, &sources, now)) }
        }
        (standing::edits(view, &form))
    };
    Ok(frame::page(view, texts.title, &content))
}

fn table(view: &View, sources: &[Source], now: Timestamp) -> Markup {
    let texts = view.language.sources();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.list, view.texts().status, view.texts().nodes, texts.next, view.texts().actions]))
                tbody { @for source in sources { (row(view, source, now)) } }
            }
        }
    }
}

fn row(view: &View, source: &Source, now: Timestamp) -> Markup {
    let (texts, language) = (view.language.sources(), view.language);
    html! {
        tr {
            th scope="row" {
                (source.spec.name)
                @if source.spec.trusted { " " span.badge { (texts.is_trusted) } }
                div.muted { code { (without_secrets(source.spec.url.expose())) } }
            }
            td data-label=(view.texts().status) { (state(view, source, now)) }
            td data-label=(view.texts().nodes) { (language.source_counts(source)) (refusals(view, source)) }
            td data-label=(texts.next) { (widgets::ahead(language, source.due_at.max(now), now)) }
            td.acts {
                @if !standing::is_closed(view) { (buttons(view, source)) }
                a.button.danger href=(format!("{LIST}/{}/remove", source.id)) { (texts.remove) }
            }
        }
    }
}

/// Whether the list could be used at the last try, and when it was read last.
fn state(view: &View, source: &Source, now: Timestamp) -> Markup {
    let (texts, language) = (view.language.sources(), view.language);
    let (like, text) = match (&source.problem, source.read_at) {
        (Some(_), _) => (Verdict::Down, texts.failed),
        (None, Some(_)) => (Verdict::Up, texts.is_read),
        (None, None) => (Verdict::Unknown, texts.not_tried),
    };
    html! {
        div { (widgets::marked(like, text)) }
        @if let Some(problem) = &source.problem {
            @let (text, detail) = (language.source_problem(problem), problem.to_string());
            div.problem title=[(text != detail).then_some(detail)] { (text) }
        }
        @if let Some(at) = source.read_at { div.muted { (texts.last_read) " " (widgets::ago(language, at, now)) } }
    }
}

fn refusals(view: &View, source: &Source) -> Markup {
    html! {
        @if source.refused > 0 {
            details {
                summary { (view.language.source_refusals(source.refused)) }
                pre { (source.refusals.join("\n")) }
            }
        }
    }
}

fn buttons(view: &View, source: &Source) -> Markup {
    let texts = view.language.sources();
    let action = format!("{LIST}/{}/fetch", source.id);
    html! {
        (frame::button(&action, texts.fetch, "")) " "
        @if matches!(source.problem, Some(SourceProblem::Short { .. })) {
            form.inline method="post" action=(action) {
                input type="hidden" name="take_short" value="true";
                button type="submit" { (texts.take_short) }
            }
            " "
        }
    }
}
