//! `/admin/settings`: the live settings. A setting that the configuration sets cannot be changed; the page shows where it
//! is set.

use std::collections::HashMap;

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_store::domain::LiveSetting;
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        form,
        language::{Language, Texts},
        site::Site,
        standing,
        view::View,
    },
    service::{ServiceError, settings},
    web::{Refusal, input::Query},
};

/// The texts of a form, by the names of the configuration.
type SettingsForm = HashMap<String, String>;

#[derive(Debug, Deserialize)]
pub struct SettingsQuery {
    #[serde(default)]
    saved: Option<String>,
}

/// A form with invalid settings, and these settings.
#[derive(Default)]
struct Refused {
    settings: Vec<LiveSetting>,
    form: SettingsForm,
}

pub async fn page(_: Operator, State(site): State<Site>, view: View, Query(query): Query<SettingsQuery>) -> Response {
    let outcome = if query.saved.is_some() { form::done(view.texts().saved) } else { form::no_outcome() };
    shown(&site, &view, &Refused::default(), &outcome)
}

/// Saves the settings of the form if all are valid; otherwise it saves none.
pub async fn save(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: SettingsForm = form::read(request).await?;
    let text_of = |setting: LiveSetting| form.get(setting.name()).map(String::as_str);
    let seen_of = |setting: LiveSetting| form.get(&seen_name(setting)).map(String::as_str);
    let changed = site.admin.change_settings(text_of, seen_of).await;
    let Err(error) = changed else { return Ok(form::see_other("/admin/settings?saved=yes")) };
    let settings = if let ServiceError::InvalidSettings(settings) = &error { settings.clone() } else { Vec::new() };
    let page = shown(&site, &view, &Refused { settings, form }, &form::refused(&view, &error));
    Ok(form::with_refusal(page, error))
}

fn shown(site: &Site, view: &View, refused: &Refused, outcome: &Markup) -> Response {
    let texts = view.texts();
    let live = site.store.live_settings();
    let has_any = |of: &[LiveSetting]| of.iter().any(|setting| settings::format(*setting, &live).is_some());
    let groups: [(&str, &[LiveSetting]); 4] = [
        (texts.verdicts, &[LiveSetting::FlapDamping, LiveSetting::RegionDoubt]),
        (
            texts.retention,
            &[
                LiveSetting::ResultRetention,
                LiveSetting::FiveMinuteRetention,
                LiveSetting::HourRetention,
                LiveSetting::EventRetention,
            ],
        ),
        (texts.relay, &[LiveSetting::RelayInterval]),
        (texts.built_in_probe, &[LiveSetting::CheckInterval, LiveSetting::ReportInterval]),
    ];
    let form = html! {
        form.sheet.brief method="post" action="/admin/settings" {
            p.muted { (texts.settings_hint) }
            @for (title, group) in groups.into_iter().filter(|(_, group)| has_any(group)) {
                fieldset {
                    legend { (title) }
                    @for setting in group { (field(site, view.language, *setting, refused)) }
                }
            }
            @if !has_any(&[LiveSetting::CheckInterval]) { p.muted { (texts.intervals_elsewhere) } }
            div.actions { button.primary type="submit" { (texts.save) } }
        }
    };
    let content = html! { (outcome) (standing::edits(view, &form)) };
    frame::page(view, texts.settings, &content)
}

/// The name of the hidden field with the value that the operator sees.
fn seen_name(setting: LiveSetting) -> String {
    format!("seen_{}", setting.name())
}

fn field(site: &Site, language: Language, setting: LiveSetting, refused: &Refused) -> Markup {
    let (store, texts, name) = (&site.store, language.texts(), setting.name());
    let Some(value) = settings::format(setting, &store.live_settings()) else { return html! {} };
    let (label, valid) = description(texts, setting);
    let default = settings::format(setting, &store.configured_live_settings()).unwrap_or_default();
    let default = language.labelled(texts.default, &default);
    let note = format!("{name}-note");
    let is_wrong = refused.settings.contains(&setting);
    html! {
        @if let Some(place) = store.fixed_by(setting) {
            p.fixed { span { (label) } b { (value) } small { (texts.set_by) " " code { (place) } } }
        } @else {
            input type="hidden" name=(seen_name(setting)) value=(value);
            label {
                span { (label) }
                input name=(name) value=(refused.form.get(name).unwrap_or(&value)) maxlength="20" autocomplete="off" spellcheck="false"
                    aria-invalid=[is_wrong.then_some("true")] aria-describedby=(note);
                small #(note) .problem[is_wrong] { (valid) (language.sentence_gap()) (default) " · " code { (name) } }
            }
        }
    }
}

/// The label of a setting, and which values are valid.
fn description(texts: &Texts, setting: LiveSetting) -> (&'static str, &'static str) {
    match setting {
        LiveSetting::FlapDamping => (texts.flap_damping, texts.valid_count),
        LiveSetting::RegionDoubt => (texts.region_doubt, texts.valid_region_doubt),
        LiveSetting::ResultRetention => (texts.raw_results, texts.valid_retention),
        LiveSetting::FiveMinuteRetention => (texts.five_minute_rollups, texts.valid_retention),
        LiveSetting::HourRetention => (texts.hourly_rollups, texts.valid_retention),
        LiveSetting::EventRetention => (texts.event_log, texts.valid_retention),
        LiveSetting::RelayInterval => (texts.relay_interval, texts.valid_relay_interval),
        LiveSetting::CheckInterval => (texts.check_interval, texts.valid_check_interval),
        LiveSetting::ReportInterval => (texts.report_interval, texts.valid_report_interval),
    }
}
