//! `/admin/settings`: what the hub was started with. It is changed where the hub is configured, by the names shown.

use axum::{extract::State, response::Response};
use maud::html;

use super::Operator;
use crate::pages::{Site, format, view::View};

pub async fn page(_: Operator, State(site): State<Site>, view: View) -> Response {
    let (texts, language) = (view.texts(), view.language);
    let (policy, retention) = (site.store.policy(), site.store.retention());
    let rows = [
        (texts.damping, policy.confirmations.to_string(), "FLAP_DAMPING"),
        (texts.keep_results, format::span(language, retention.results), "RESULT_RETENTION"),
        (texts.keep_five_minutes, format::span(language, retention.five_minutes), "FIVE_MINUTE_RETENTION"),
        (texts.keep_hours, format::span(language, retention.hours), "HOUR_RETENTION"),
        (texts.keep_events, format::span(language, retention.events), "EVENT_RETENTION"),
    ];
    let content = html! {
        section.panel {
            p.muted { (texts.settings_hint) }
            div.frame {
                table.plain.stack {
                    thead { tr { @for label in [texts.setting, texts.value, texts.configured_by] { th scope="col" { (label) } } } }
                    tbody { @for (label, value, variable) in rows { tr { th scope="row" { (label) } td { (value) } td { code { (variable) } } } } }
                }
            }
        }
    };
    super::page(&view, texts.settings, &content)
}
