//! What is muted, and the form that mutes something.

use easytier_uptime_store::domain::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::{PATH, scope::Names};
use crate::{
    pages::{
        form::{Fields, Input, number},
        format,
        view::View,
        widgets,
    },
    service::{
        FieldError, FieldProblem,
        alerts::{MAX_MUTE, MuteView},
    },
};

/// The longest mute in hours.
pub const MAX_HOURS: u32 = (MAX_MUTE.as_secs() / 3600) as u32;

/// The choice of one node, whose id is in a field of its own.
const NODE: &str = "node";

/// The form that mutes something.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct MuteForm {
    scope: String,
    node: String,
    hours: String,
}

impl Default for MuteForm {
    fn default() -> Self {
        Self { scope: "all".to_owned(), node: String::new(), hours: "1".to_owned() }
    }
}

impl MuteForm {
    pub fn hours(&self) -> Result<u32, FieldError> {
        number("hours", &self.hours, 1, MAX_HOURS)?.ok_or_else(|| FieldError::new("hours", FieldProblem::Missing))
    }

    pub fn scope(&self) -> Result<String, FieldError> {
        if self.scope != NODE {
            return Ok(self.scope.clone());
        }
        match self.node.trim().trim_start_matches('#').parse::<i64>() {
            Ok(id) if id >= 1 => Ok(format!("node:{id}")),
            Ok(_) | Err(_) if !self.node.trim().is_empty() => {
                Err(FieldError::new(NODE, FieldProblem::Malformed(String::new())))
            }
            _ => Err(FieldError::new(NODE, FieldProblem::Missing)),
        }
    }

    /// `wrong`: the field that was refused.
    pub fn render(&self, view: &View, names: &Names, wrong: Option<&FieldError>) -> Markup {
        let (texts, fields) = (view.language.alerts(), Fields::new(view.language, wrong));
        let rules: Vec<_> = names.rules().map(|(id, name)| (format!("rule:{id}"), name)).collect();
        let rules = rules.iter().map(|(scope, name)| (scope.as_str(), format!("{} {name}", texts.rule)));
        let rules: Vec<(&str, String)> = rules.collect();
        let choices = [("all", texts.everything), (NODE, texts.one_node), ("hub", texts.hub)];
        let choices = choices.into_iter().chain(rules.iter().map(|(scope, name)| (*scope, name.as_str())));
        let node = Input { class: "short", ..Input::text("node", texts.node_id, &self.node, 20) };
        let hours = Input { class: "short", ..Input::number("hours", texts.hours, &self.hours, 1, MAX_HOURS) };
        html! {
            details open[wrong.is_some()] {
                summary { (texts.mute_more) }
                form.sheet method="post" action=(format!("{PATH}/mute")) {
                    div.row {
                        (fields.select("scope", texts.scope, &self.scope, choices))
                        (fields.input(&node.hint(texts.node_id_hint)))
                        (fields.input(&hours.required()))
                    }
                    button.primary type="submit" { (texts.mute) }
                }
            }
        }
    }
}

pub fn table(view: &View, mutes: &[MuteView], names: &Names, now: Timestamp) -> Markup {
    let texts = view.language.alerts();
    html! {
        @if mutes.is_empty() { p.empty { (view.texts().none) } }
        @else {
            div.frame {
                table.plain.stack {
                    (widgets::table_head([texts.scope, texts.until, texts.by, view.texts().actions]))
                    tbody { @for mute in mutes { (row(view, mute, names, now)) } }
                }
            }
        }
    }
}

fn row(view: &View, mute: &MuteView, names: &Names, now: Timestamp) -> Markup {
    let texts = view.language.alerts();
    html! {
        tr {
            th scope="row" { (names.scope(&mute.scope)) }
            td data-label=(texts.until) { (format::minute(mute.until)) " UTC · " (widgets::ahead(view.language, mute.until, now)) }
            td data-label=(texts.by) { (mute.muted_by) " · " (widgets::ago(view.language, mute.muted_at, now)) }
            td.acts {
                form.inline method="post" action=(format!("{PATH}/unmute")) {
                    input type="hidden" name="id" value=(mute.id);
                    button type="submit" { (texts.unmute) }
                }
            }
        }
    }
}
