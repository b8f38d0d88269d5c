//! What is wrong now, by the rules of the channels.

use easytier_uptime_alerts::policy::Trouble;
use easytier_uptime_store::domain::{Timestamp, Verdict};
use maud::{Markup, html};

use super::{PATH, scope::Names};
use crate::{
    pages::{view::View, widgets},
    service::alerts::ConditionView,
};

/// How many are shown.
pub const SHOWN: usize = 200;

/// For how many hours a row mutes unless it is told otherwise.
const USUAL_HOURS: u32 = 8;

pub fn table(view: &View, conditions: &[ConditionView], names: &Names, now: Timestamp) -> Markup {
    let texts = view.language.alerts();
    let rest = conditions.len().saturating_sub(SHOWN);
    html! {
        @if conditions.is_empty() { p.empty { (texts.nothing_wrong) } }
        @else {
            div.frame {
                table.plain.stack {
                    (widgets::table_head([texts.subject, texts.trouble, texts.since, texts.rule, view.texts().state, view.texts().actions]))
                    tbody { @for one in conditions.iter().take(SHOWN) { (row(view, one, names, now)) } }
                }
            }
        }
        @if rest > 0 { p.muted { (view.language.more(rest)) } }
    }
}

fn row(view: &View, one: &ConditionView, names: &Names, now: Timestamp) -> Markup {
    let texts = view.language.alerts();
    html! {
        tr {
            th scope="row" { (names.subject(one.subject)) }
            td data-label=(texts.trouble) { (trouble(view, one)) }
            td data-label=(texts.since) { (widgets::ago(view.language, one.since, now)) }
            td data-label=(texts.rule) { (names.link_to_rule(one.rule)) }
            td data-label=(view.texts().state) {
                @match (&one.acknowledged_by, one.acknowledged_at) {
                    (Some(by), Some(at)) => (view.language.acknowledged_by(by, at)),
                    _ if one.is_told => (texts.told),
                    _ => (texts.not_told),
                }
            }
            td.acts {
                @if one.acknowledged_by.is_none() {
                    form.inline method="post" action=(format!("{PATH}/acknowledge")) {
                        input type="hidden" name="key" value=(one.key);
                        button type="submit" { (texts.acknowledge) }
                    }
                    " "
                }
                form.inline method="post" action=(format!("{PATH}/mute")) {
                    input type="hidden" name="scope" value=(one.key);
                    input type="number" name="hours" value=(USUAL_HOURS) min="1" max=(super::muted::MAX_HOURS) required
                        inputmode="numeric" aria-label=(texts.hours);
                    span.unit { (texts.hour_unit) }
                    button type="submit" { (texts.mute) }
                }
            }
        }
    }
}

/// What is wrong, with its mark.
fn trouble(view: &View, one: &ConditionView) -> Markup {
    let like = match one.trouble {
        Some(Trouble::Down | Trouble::Silent | Trouble::Idle) => Verdict::Down,
        Some(Trouble::Unknown | Trouble::Blind) => Verdict::Unknown,
        Some(Trouble::Partial | Trouble::Outdated | Trouble::Expiring | Trouble::NotRelaying) | None => {
            Verdict::Partial
        }
    };
    let words = match one.trouble {
        Some(trouble) if !one.is_flapping => view.language.trouble(trouble),
        _ => view.language.alerts().flapping,
    };
    widgets::marked(like, words)
}
