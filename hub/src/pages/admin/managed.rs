//! `/admin/probes/managed`: the probes to which the hub pushes its configuration, and the form that adds one.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::{ManagedProbe, ProbeId, PullState, PushState, Timestamp, Verdict};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{self, Confirmation},
    operator::Operator,
};
use crate::{
    pages::{
        form::{Fields, Input, done, field_error, no_outcome, read, refused, see_other, with_refusal},
        format::{NOTHING, latency},
        site::Site,
        standing,
        view::View,
        widgets,
    },
    service::{ManageRequest, ManagedView, ServiceError},
    web::{
        Refusal,
        input::{Path, Query},
    },
};

const LIST: &str = "/admin/probes/managed";

#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    done: String,
}

/// The id of a managed probe in a path.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct ProbePath {
    id: ProbeId,
}

/// The form that adds a probe, as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProbeForm {
    host: String,
    http_port: String,
    http_token: String,
    server_id: String,
    region: String,
}

impl ProbeForm {
    fn request(&self) -> ManageRequest {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        ManageRequest {
            host: given(&self.host),
            // The service says that a port is missing.
            http_port: self.http_port.trim().parse().ok(),
            http_token: given(&self.http_token),
            server_id: given(&self.server_id),
            region: given(&self.region),
            ..ManageRequest::default()
        }
    }
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<ListQuery>,
) -> Result<Response, ServiceError> {
    let texts = view.language.managed();
    let outcome = match query.done.as_str() {
        "added" => done(texts.added),
        "pushed" => done(texts.pushed),
        "removed" => done(texts.removed),
        _ => no_outcome(),
    };
    listed(&site, &view, &ProbeForm::default(), None, &outcome).await
}

/// Adds a probe, once it has answered.
pub async fn add(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: ProbeForm = read(request).await?;
    let Err(error) = site.managed_probes.add(&form.request()).await else {
        return Ok(see_other("/admin/probes/managed?done=added"));
    };
    let page = listed(&site, &view, &form, Some(&error), &refused(&view, &error)).await?;
    Ok(with_refusal(page, error))
}

/// Has the configuration pushed again.
pub async fn push(_: Operator, State(site): State<Site>, Path(ProbePath { id }): Path<ProbePath>) -> Response {
    match site.managed_probes.push(id).await {
        Ok(()) => see_other("/admin/probes/managed?done=pushed"),
        Err(error) => error.into_response(),
    }
}

/// Asks before a probe is not managed any more.
pub async fn removal(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Path(ProbePath { id }): Path<ProbePath>,
) -> Result<Response, ServiceError> {
    let (probe, texts) = (site.managed_probes.one(id).await?, view.language.managed());
    let question = Confirmation {
        title: texts.remove_title,
        subject: html! { strong { (probe.server_id) } },
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

/// Manages a probe no longer.
pub async fn remove(
    _: Operator,
    State(site): State<Site>,
    Path(ProbePath { id }): Path<ProbePath>,
) -> Result<Response, ServiceError> {
    site.managed_probes.remove(id).await?;
    Ok(see_other("/admin/probes/managed?done=removed"))
}

async fn listed(
    site: &Site,
    view: &View,
    form: &ProbeForm,
    error: Option<&ServiceError>,
    outcome: &Markup,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.language.managed(), Timestamp::now());
    let probes = site.managed_probes.all().await?;
    let content = html! {
        (outcome)
        p.muted { (texts.hint) }
        section.panel {
            h2 { (texts.title) }
            @if probes.is_empty() { p.empty { (view.texts().none) } } @else { (table(view, &probes, now)) }
        }
        (standing::edits(view, &new(view, form, error)))
    };
    Ok(frame::page(view, texts.title, &content))
}

fn new(view: &View, form: &ProbeForm, error: Option<&ServiceError>) -> Markup {
    let (texts, common) = (view.language.managed(), view.texts());
    let fields = Fields::new(view.language, error.and_then(field_error));
    let port = Input { class: "short", ..Input::number("http_port", common.port, &form.http_port, 1, 65535) };
    html! {
        form.sheet method="post" action=(LIST) {
            h2 { (texts.new) }
            div.row {
                (fields.input(&Input::text("host", common.host, &form.host, 255).hint(texts.host_hint)))
                (fields.input(&port))
            }
            (fields.input(&Input::secret("http_token", texts.token, 1024).hint(texts.token_hint)))
            div.row {
                (fields.input(&Input::text("server_id", texts.server_id, &form.server_id, 255).hint(texts.server_id_hint)))
                (fields.input(&Input::text("region", common.region, &form.region, 64)))
            }
            button.primary type="submit" { (texts.add) }
        }
    }
}

fn table(view: &View, probes: &[ManagedProbe], now: Timestamp) -> Markup {
    let (texts, common) = (view.language.managed(), view.texts());
    let labels = [texts.probe, texts.path, texts.configuration, texts.statistics, texts.usage, common.actions];
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head(labels))
                tbody { @for probe in probes { (row(view, probe, now)) } }
            }
        }
    }
}

fn row(view: &View, probe: &ManagedProbe, now: Timestamp) -> Markup {
    let (texts, language, contact) = (view.language.managed(), view.language, &probe.contact);
    let push = match contact.push_state {
        PushState::Untried => Verdict::Unknown,
        PushState::Available => Verdict::Up,
        PushState::Dirty => Verdict::Partial,
        PushState::Unavailable => Verdict::Down,
    };
    let pull = match contact.pull_state {
        PullState::Untried => Verdict::Unknown,
        PullState::Available => Verdict::Up,
        PullState::Unavailable => Verdict::Down,
    };
    let ManagedView { host, http_port, .. } = probe.into();
    html! {
        tr {
            th scope="row" {
                (probe.server_id) " " span.badge { (probe.region) }
                @if !host.is_empty() { div.muted { code { (host) ":" (http_port) } } }
            }
            td data-label=(texts.path) {
                div { (contact.path.map_or(NOTHING, |path| language.probe_path(path))) }
                @if let Some(micros) = contact.round_trip_us { div.muted { (latency(micros)) } }
            }
            td data-label=(texts.configuration) {
                div { (widgets::marked(push, language.push_state(contact.push_state))) }
                @if let Some(at) = contact.pushed_at { div.muted { (widgets::ago(language, at, now)) } }
                @if let Some(problem) = &contact.problem { div.problem { (language.manage_problem(problem)) } }
            }
            td data-label=(texts.statistics) {
                div { (widgets::marked(pull, language.pull_state(contact.pull_state))) }
                @if let Some(at) = contact.pulled_at { div.muted { (widgets::ago(language, at, now)) } }
            }
            td data-label=(texts.usage) { (bytes(contact.usage_bytes)) }
            td.acts {
                (frame::button(&format!("{LIST}/{}/push", probe.id), texts.push, "")) " "
                a.button.danger href=(format!("{LIST}/{}/remove", probe.id)) { (texts.remove) }
            }
        }
    }
}

/// A number of bytes, with three digits.
fn bytes(bytes: i64) -> String {
    let steps = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let bytes = bytes as f64;
    match steps.into_iter().find(|(_, step)| bytes >= *step) {
        Some((unit, step)) => format!("{:.*} {unit}", if bytes < 10.0 * step { 2 } else { 1 }, bytes / step),
        None => format!("{bytes} B"),
    }
}
