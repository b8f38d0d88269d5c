//! What was changed at an instance and lost in a merge.

use std::collections::BTreeSet;

use easytier_uptime_store::domain::LostChange;
use maud::{Markup, html};
use serde_json::Value;

use crate::pages::{
    format::{self, NOTHING},
    view::View,
    widgets,
};

/// The name of the field of a deleted object.
const DELETED: &str = "deletedAt";

pub fn section(view: &View, lost: &[LostChange]) -> Markup {
    let texts = view.language.instances();
    html! {
        section.panel #lost {
            h2 { (texts.lost) " (" (lost.len()) ")" }
            p.muted { (texts.lost_hint) }
            div.frame {
                table.plain.stack {
                    (widgets::table_head([view.texts().time, texts.object, texts.lost_value, texts.kept_value]))
                    tbody { @for change in lost { (row(view, change)) } }
                }
            }
        }
    }
}

fn row(view: &View, change: &LostChange) -> Markup {
    let texts = view.language.instances();
    let differing = differing(&change.lost, &change.won);
    html! {
        tr {
            td data-label=(view.texts().time) { (format::minute(change.at)) }
            th scope="row" { (view.language.labelled(view.language.object_kind(change.key.kind), name(change))) }
            td data-label=(texts.lost_value) { (side(view, &change.lost, &differing)) }
            td data-label=(texts.kept_value) { (side(view, &change.won, &differing)) }
        }
    }
}

/// The name of the object, or its uid.
fn name(change: &LostChange) -> &str {
    [&change.won, &change.lost].into_iter().find_map(|side| side.get("name")?.as_str()).unwrap_or(&change.key.uid)
}

/// The fields in which two sides differ.
fn differing<'a>(lost: &'a Value, won: &'a Value) -> BTreeSet<&'a str> {
    let fields = [lost, won].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys());
    fields.map(String::as_str).filter(|field| lost.get(field) != won.get(field)).collect()
}

/// What one side says. Of a deletion it is only that.
fn side(view: &View, side: &Value, differing: &BTreeSet<&str>) -> Markup {
    if side.get(DELETED).is_some() {
        return html! { (view.language.instances().deleted) };
    }
    html! {
        @for field in differing.iter().filter(|field| **field != DELETED) {
            div { code { (field) } " " @match side.get(*field) {
                None => (NOTHING),
                Some(Value::String(text)) => (text),
                Some(value) => (value),
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let (lost, won) = (json!({ "name": "a", "tags": ["x"], "port": 1 }), json!({ "name": "b", "port": 1 }));
        assert_eq!(differing(&lost, &won), BTreeSet::from(["name", "tags"]));
    }
}
