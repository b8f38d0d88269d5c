//! `/admin/settings`: what the operator may change while hubs run. What the configuration names is fixed, and shown with
//! where it is named.

use std::collections::{BTreeMap, HashMap};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Operator, form};
use crate::{
    pages::{Site, language::Texts, view::View},
    time::Timestamp,
    tuning::Knob,
    web::{Refusal, input::Query},
};

/// What a form says, by the names of the configuration.
type Sent = HashMap<String, String>;

/// What was written and is not valid.
type Wrong = BTreeMap<Knob, String>;

#[derive(Debug, Deserialize)]
pub struct Arrival {
    #[serde(default)]
    saved: Option<String>,
}

pub async fn page(_: Operator, State(site): State<Site>, view: View, Query(arrival): Query<Arrival>) -> Response {
    shown(&site, &view, arrival.saved.is_some(), &Wrong::new())
}

/// Saves all that is valid, or nothing.
pub async fn change(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let sent: Sent = form(request).await?;
    let (mut wanted, configured) = (site.store.tuning(), site.store.configured_tuning());
    let mut wrong = Wrong::new();
    for knob in Knob::ALL {
        let Some(written) = sent.get(knob.name()).map(|text| text.trim()) else { continue };
        let value = match written {
            "" => knob.value(&configured).unwrap_or_default(),
            written => written.to_owned(),
        };
        if knob.set(&mut wanted, &value).is_err() {
            wrong.insert(knob, value);
        }
    }
    if !wrong.is_empty() {
        return Ok((StatusCode::BAD_REQUEST, shown(&site, &view, false, &wrong)).into_response());
    }
    site.store.tune(&wanted, Timestamp::now()).await?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, "/admin/settings?saved=yes")]).into_response())
}

fn shown(site: &Site, view: &View, saved: bool, wrong: &Wrong) -> Response {
    let texts = view.texts();
    let tuning = site.store.tuning();
    let has_any = |knobs: &[Knob]| knobs.iter().any(|knob| knob.value(&tuning).is_some());
    let groups: [(&str, &[Knob]); 3] = [
        (texts.judging, &[Knob::FlapDamping]),
        (texts.keeping, &[Knob::ResultRetention, Knob::FiveMinuteRetention, Knob::HourRetention, Knob::EventRetention]),
        (texts.local_checks, &[Knob::CheckInterval, Knob::ReportInterval]),
    ];
    let content = html! {
        @if saved { div.outcome.good role="status" { p { strong { (texts.saved) } } } }
        @if !wrong.is_empty() { div.outcome.bad role="alert" { p { strong { (texts.not_saved) } } } }
        form.sheet.brief method="post" action="/admin/settings" {
            p.muted { (texts.settings_hint) }
            @for (title, knobs) in groups.into_iter().filter(|(_, knobs)| has_any(knobs)) {
                fieldset {
                    legend { (title) }
                    @for knob in knobs { (field(site, texts, *knob, wrong.get(knob))) }
                }
            }
            @if !has_any(&[Knob::CheckInterval]) { p.muted { (texts.intervals_elsewhere) } }
            div.actions { button.primary type="submit" { (texts.save) } }
        }
    };
    super::page(view, texts.settings, &content)
}

fn field(site: &Site, texts: &Texts, knob: Knob, wrong: Option<&String>) -> Markup {
    let (store, name) = (&site.store, knob.name());
    let Some(value) = knob.value(&store.tuning()) else { return html! {} };
    let (label, right) = words(texts, knob);
    let usual = knob.value(&store.configured_tuning()).unwrap_or_default();
    let hint = format!("{name}-hint");
    html! {
        @if let Some(place) = store.fixed_by(knob) {
            p.fixed { span { (label) } b { (value) } small { (texts.fixed_by) " " code { (place) } } }
        } @else {
            label {
                span { (label) }
                input name=(name) value=(wrong.unwrap_or(&value)) maxlength="20" autocomplete="off" spellcheck="false"
                    aria-invalid=[wrong.map(|_| "true")] aria-describedby=(hint);
                small #(hint) .problem[wrong.is_some()] { (right) " " (texts.usually) " " (usual) " · " code { (name) } }
            }
        }
    }
}

/// What it is called, and what may be written.
fn words(texts: &Texts, knob: Knob) -> (&'static str, &'static str) {
    match knob {
        Knob::FlapDamping => (texts.damping, texts.right_count),
        Knob::ResultRetention => (texts.keep_results, texts.right_retention),
        Knob::FiveMinuteRetention => (texts.keep_five_minutes, texts.right_retention),
        Knob::HourRetention => (texts.keep_hours, texts.right_retention),
        Knob::EventRetention => (texts.keep_events, texts.right_retention),
        Knob::CheckInterval => (texts.check_every, texts.right_check_interval),
        Knob::ReportInterval => (texts.report_every, texts.right_report_interval),
    }
}
