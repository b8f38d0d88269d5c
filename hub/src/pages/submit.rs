//! `/submit`: the form that proposes a node, with a test of the connection before it is sent. It works without scripts:
//! each step is a form that is sent here, and goes the way of the public API, with its rules and its limits.

mod form;

use std::net::IpAddr;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_probe::{CheckReport, Status};
use maud::{Markup, html};
use serde_json::Value;

use self::form::{Step, Written};
use super::{Site, format, language::Texts, view::View};
use crate::{
    service::{NodeFields, ServiceError},
    web::{self, Client, Refusal, input},
};

/// What came of a step.
enum Outcome {
    Tested(Box<CheckReport>),
    Sent,
    Refused(Refusal),
}

pub async fn page(view: View) -> Markup {
    form::page(&view, &Written::default(), None, &html! {})
}

/// A step of the form.
pub async fn take(State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    web::own_page(&parts.headers)?;
    let Client(from) = Client::from_request_parts(&mut parts, &site.app).await?;
    let body = input::read(Request::from_parts(parts, body)).await?;
    let written: Written =
        serde_html_form::from_bytes(&body).map_err(|error| Refusal::bad_request(error.to_string()))?;

    let fields = written.fields();
    let outcome = match written.step {
        Step::Test => test(&site, from, &fields).await,
        Step::Send => send(&site, from, &fields).await,
    };
    Ok(answer(&view, &written, outcome.unwrap_or_else(|error| Outcome::Refused(error.into()))))
}

async fn test(site: &Site, from: IpAddr, fields: &Value) -> Result<Outcome, ServiceError> {
    let report = site.app.connection_tests.run(from, NodeFields::from_json(fields)?).await?;
    Ok(Outcome::Tested(Box::new(report)))
}

async fn send(site: &Site, from: IpAddr, fields: &Value) -> Result<Outcome, ServiceError> {
    site.app.submissions.submit(from, NodeFields::from_json(fields)?).await?;
    Ok(Outcome::Sent)
}

/// The form as it was filled in, with what came of it.
fn answer(view: &View, written: &Written, outcome: Outcome) -> Response {
    let told = told(view, &outcome);
    let page = match &outcome {
        Outcome::Sent => form::page(view, &Written::default(), None, &told),
        Outcome::Tested(_) => form::page(view, written, None, &told),
        Outcome::Refused(refusal) => form::page(view, written, field_of(refusal), &told),
    };
    let mut response = ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], page).into_response();
    if let Outcome::Refused(Refusal { status, retry_after, .. }) = outcome {
        *response.status_mut() = status;
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
    }
    response
}

fn told(view: &View, outcome: &Outcome) -> Markup {
    let texts = view.texts();
    match outcome {
        Outcome::Sent => html! { div.outcome.good #outcome role="status" data-done { p { strong { (texts.sent) } } } },
        Outcome::Refused(refusal) => html! {
            div.outcome.bad #outcome role="status" { p { strong { (texts.failed) } " — " (refused(texts, refusal)) } }
        },
        Outcome::Tested(report) => tested(view, report),
    }
}

fn tested(view: &View, CheckReport { result, url, .. }: &CheckReport) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let works = result.status == Status::Online;
    let (class, heading) = if works { ("outcome good", texts.test_good) } else { ("outcome bad", texts.test_bad) };
    html! {
        div class=(class) #outcome role="status" {
            p {
                strong { (heading) }
                @if let Some(code) = result.error { " — " (language.failure(code)) }
            }
            dl.facts {
                dt { (texts.address) } dd { (url) }
                @if let Some(ms) = result.response_time {
                    dt { (texts.latency) } dd { (format::latency((ms * 1000.0).round() as i64)) }
                }
                @if let Some(version) = &result.version { dt { (texts.version) } dd { (version) } }
                @if let Some(code) = result.error { dt { (texts.got_to) } dd { (language.stage(result.stage)) " · " code { (code) } } }
            }
        }
    }
}

/// The field that a refusal is about.
fn field_of(refusal: &Refusal) -> Option<&str> {
    let field = refusal.message.split_once(": ").map(|(field, _)| field);
    field.filter(|_| refusal.status == StatusCode::BAD_REQUEST)
}

/// Why it was refused, in the reader's language.
fn refused<'a>(texts: &'static Texts, refusal: &'a Refusal) -> &'a str {
    match (refusal.status, field_of(refusal)) {
        (StatusCode::TOO_MANY_REQUESTS, _) => texts.too_often,
        (StatusCode::CONFLICT, _) => texts.listed_already,
        (_, Some("name")) => texts.wrong_name,
        (_, Some("host")) => texts.wrong_host,
        (_, Some("port")) => texts.wrong_port,
        (_, Some("mail")) => texts.wrong_mail,
        (_, Some("tags")) => texts.wrong_tags,
        (_, Some("max_connections")) => texts.wrong_max_connections,
        (_, Some("description" | "network_name" | "network_secret" | "qq_number" | "wechat")) => texts.too_long,
        _ => &refusal.message,
    }
}
