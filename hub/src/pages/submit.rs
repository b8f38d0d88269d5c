//! `/submit`: the form that submits a node, with a button that tests the connection first. Both buttons post the form to
//! this page.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use easytier_probe::{CheckReport, Status};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    form::{self, Fields, Input, NodeForm, Outcome},
    format,
    layout::{self, Place},
    site::Site,
    standing,
    view::View,
};
use crate::{
    service::{FieldError, ServiceError},
    web::{self, Poster, Refusal},
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Submission {
    step: Step,
    #[serde(flatten)]
    node: NodeForm,
}

/// The button that sent the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Test,
    #[default]
    Send,
}

pub async fn page(view: View) -> Markup {
    shown(&view, &NodeForm::default(), None, &form::no_outcome())
}

/// Tests the node of the form, or submits it.
pub async fn submit(
    State(site): State<Site>,
    view: View,
    Poster(from): Poster,
    request: Request,
) -> Result<Response, Refusal> {
    web::own_page(request.headers())?;
    let Submission { step, node } = form::read_from_stranger(request).await?;
    let outcome = match step {
        Step::Test => test(&site, from, &node).await.map(|report| tested(&view, &report)),
        Step::Send => send(&site, from, &node).await.map(|()| sent(&view)),
    };
    let response = match (outcome, step) {
        (Ok(outcome), Step::Test) => shown(&view, &node, None, &outcome).into_response(),
        (Ok(outcome), Step::Send) => shown(&view, &NodeForm::default(), None, &outcome).into_response(),
        (Err(error), _) => {
            let page = shown(&view, &node, form::field_error(&error), &form::refused(&view, &error));
            form::with_refusal(page.into_response(), error)
        }
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], response).into_response())
}

async fn test(site: &Site, from: IpAddr, node: &NodeForm) -> Result<CheckReport, ServiceError> {
    site.connection_tests.run(from, node.filled_fields()?).await
}

async fn send(site: &Site, from: IpAddr, node: &NodeForm) -> Result<(), ServiceError> {
    site.submissions.submit(from, node.filled_fields()?).await?;
    Ok(())
}

fn sent(view: &View) -> Markup {
    // The script empties the form at `data-done`.
    html! { div.outcome.good #outcome role="status" data-done { p { strong { (view.texts().sent) } } } }
}

/// The result of a connection test.
fn tested(view: &View, CheckReport { result, url, .. }: &CheckReport) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let (outcome, heading) = match result.status {
        Status::Online => (Outcome::Good, texts.test_good),
        // Offline or unknown.
        _ => (Outcome::Bad, texts.test_bad),
    };
    let content = html! {
        p {
            strong { (heading) }
            @if let Some(code) = result.error { (language.dash()) (language.failure(code)) }
        }
        dl.facts {
            dt { (texts.address) } dd { (url) }
            @if let Some(ms) = result.response_time {
                dt { (texts.latency) } dd { (format::latency((ms * 1000.0).round() as i64)) }
            }
            @if let Some(version) = &result.version { dt { (texts.version) } dd { (version) } }
            @if let Some(code) = result.error { dt { (texts.failed_at) } dd { (language.stage(result.stage)) " · " code { (code) } } }
        }
    };
    form::outcome(outcome, &content)
}

/// The form as it was sent, without the secret, which is never shown again.
fn shown(view: &View, node: &NodeForm, wrong: Option<&FieldError>, outcome: &Markup) -> Markup {
    let texts = view.texts();
    let fields = Fields::new(view.language, wrong);
    let lost_secret = node.secret().is_some();
    let secret = Input::secret("network_secret", texts.network_secret, 255);
    let content = html! {
        div.heading { h1 { (texts.submit_title) } }
        p { (texts.submit_intro) }
        form.sheet #submission method="post" action="/submit#outcome" data-testing=(texts.testing) data-failed=(texts.refused) {
            fieldset {
                legend { (texts.node_details) }
                (form::details(texts, fields, node, texts.host_hint))
            }
            details open[lost_secret || !node.network_name.is_empty()] {
                summary { (texts.private_network) }
                p.muted { (texts.private_hint) }
                (fields.input(&Input::text("network_name", texts.network_name, &node.network_name, 255)))
                (fields.input(&if lost_secret { secret.hint(texts.secret_again) } else { secret }))
            }
            fieldset {
                legend { (texts.contact) }
                p.muted { (texts.contact_hint) }
                (form::contacts(texts, fields, node))
            }
            (outcome)
            div.actions {
                button type="submit" name="step" value="test" formnovalidate { (texts.test) }
                button.primary type="submit" name="step" value="send" disabled[standing::is_closed(view)] { (texts.send) }
            }
        }
    };
    layout::page(view, Place::Submit, texts.submit_title, &content)
}
