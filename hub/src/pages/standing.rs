//! What a page says about the place of this instance among others: that it is a dependent, that its primary is away, and that it is
//! not what it is configured to be.

use easytier_uptime_store::domain::Role;
use maud::{Markup, html};

use super::{format, view::View};

/// The notices on pages of the operator.
pub fn notices(view: &View) -> Markup {
    let (standing, language) = (&*view.standing, view.language);
    let away = standing.away_since.zip(standing.followed());
    html! {
        @if let Some(primary) = standing.followed() {
            p.warning role="note" {
                (language.depends_on(&primary.name)) (language.sentence_gap())
                @match &primary.url {
                    Some(url) => { (language.edits_at()) " " code { (url) } },
                    None => (language.edits_there()),
                }
            }
        }
        @if let Some((since, primary)) = away {
            p.warning.bad role="note" { (language.primary_away(&primary.name, &format::minute(since))) }
        }
        @if standing.role == Role::Primary && !standing.accepts_edits {
            p.warning role="note" { (language.instances().edits_wait) }
        }
        @if standing.configured != standing.role {
            p.warning role="note" { (language.configured_otherwise(standing.configured, standing.role)) }
        }
    }
}

/// The line on pages for visitors.
pub fn line(view: &View) -> Markup {
    let (standing, language) = (&*view.standing, view.language);
    html! {
        @if let Some(primary) = standing.followed() {
            p.standing role="note" {
                @match standing.away_since {
                    Some(since) => (language.primary_away(&primary.name, &format::minute(since))),
                    None => (language.depends_on(&primary.name)),
                }
            }
        }
    }
}

/// Whether edits of what instances share are refused here, because they are made at the primary.
pub fn is_closed(view: &View) -> bool {
    view.standing.role == Role::Dependent
}

/// Forms with edits of what instances share. At a dependent they can be read only.
pub fn edits(view: &View, forms: &Markup) -> Markup {
    html! {
        @if is_closed(view) { fieldset.closed disabled { (forms) } } @else { (forms) }
    }
}
