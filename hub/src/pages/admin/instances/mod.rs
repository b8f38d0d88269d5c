//! `/admin/instances`: all instances of the cluster, their order, who leads, and what was lost in merges. They are managed at the
//! primary; a dependent shows them.

mod confirm;
mod lost;
mod table;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use easytier_uptime_store::domain::{InstanceId, Role, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;
use uuid::Uuid;

pub use self::confirm::{demote, demotion, promote, promotion, removal, remove};
use super::{frame, operator::Operator};
use crate::{
    board::Snapshot,
    pages::{
        form::{self, Outcome},
        map::{self, Mark, Picture},
        site::Site,
        view::View,
    },
    service::{Overview, Step, SyncRefusal},
    web::{Refusal, input::Query},
};

const PATH: &str = "/admin/instances";

#[derive(Debug, Deserialize)]
pub struct InstancesQuery {
    /// The action that led to this page.
    #[serde(default, deserialize_with = "empty_as_none")]
    done: Option<Done>,
}

/// An action on an instance.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Done {
    Begun,
    Moved,
    Removed,
}

impl Done {
    /// A redirect to the list, which says what was done.
    fn back(self) -> Response {
        let name = ["begun", "moved", "removed"][self as usize];
        form::see_other(&format!("{PATH}?done={name}"))
    }
}

/// A step in the order of failover.
#[derive(Debug, Deserialize)]
struct Move {
    id: Uuid,
    step: Direction,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Up,
    Down,
}

pub async fn page(
    _: Operator,
    State(site): State<Site>,
    view: View,
    Query(query): Query<InstancesQuery>,
) -> Result<Response, Refusal> {
    let texts = view.language.instances();
    let outcome = match query.done {
        Some(Done::Begun) => form::done(texts.begun),
        Some(Done::Moved) => form::done(texts.moved),
        Some(Done::Removed) => form::done(texts.removed),
        None => form::no_outcome(),
    };
    shown(&site, &view, &outcome).await
}

/// Moves an instance in the order of failover.
pub async fn reorder(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let Move { id, step } = form::read(request).await?;
    let step = match step {
        Direction::Up => Step::Up,
        Direction::Down => Step::Down,
    };
    match site.instances.move_in_order(InstanceId(id), step).await {
        Ok(()) => Ok(Done::Moved.back()),
        Err(refusal) => refused(&site, &view, &refusal).await,
    }
}

/// The list with the reason why something was not done.
async fn refused(site: &Site, view: &View, refusal: &SyncRefusal) -> Result<Response, Refusal> {
    let (heading, dash) = (view.texts().refused, view.language.dash());
    let why = html! { p { strong { (heading) } (dash) (view.language.sync_refusal(refusal)) } };
    let mut page = shown(site, view, &form::outcome(Outcome::Bad, &why)).await?;
    *page.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(page)
}

async fn shown(site: &Site, view: &View, outcome: &Markup) -> Result<Response, Refusal> {
    let overview = site.instances.overview().await.map_err(failed)?;
    let texts = view.language.instances();
    let content = html! {
        (outcome)
        (introduction(view, &overview))
        @if !overview.instances.is_empty() {
            section.panel {
                h2 { (texts.title) " (" (overview.instances.len()) ")" }
                (table::table(view, &overview, Timestamp::now()))
            }
            @if let Ok(snapshot) = site.board.newest().await {
                section.panel aria-label=(view.texts().world_map) { (world(view, &snapshot)) }
            }
        }
        @if !overview.lost.is_empty() { (lost::section(view, &overview.lost)) }
    };
    Ok(frame::page(view, texts.title, &content))
}

/// Where instances and regions are. The marks lead to the tables of the public map.
fn world(view: &View, snapshot: &Snapshot) -> Markup {
    let marks = Picture::of(snapshot).marks(view.language).into_iter();
    let marks: Vec<Mark> = marks.map(|mark| Mark { href: format!("/map{}", mark.href), ..mark }).collect();
    map::world(&marks, view.language)
}

/// What can be done here.
fn introduction(view: &View, overview: &Overview) -> Markup {
    let texts = view.language.instances();
    let instance = &overview.instance;
    html! {
        section.panel {
            dl.facts {
                dt { (view.texts().instance) } dd { strong { (overview.name) } }
                dt { (view.texts().role) } dd { (view.language.role(instance.role)) }
                @if let Some(cluster) = instance.cluster.filter(|_| instance.role != Role::Standalone) {
                    dt { (texts.epoch) } dd { (instance.epoch) }
                    dt { (texts.cluster) } dd { code { (cluster) } }
                }
            }
            @match instance.role {
                Role::Standalone => p.muted { (texts.standalone) },
                Role::Primary => p.muted { (texts.primary_hint) },
                Role::Dependent => {
                    p.muted { (texts.dependent_hint) }
                    dl.commands {
                        dt { code { "easytier-uptime hub role --leave" } } dd { (texts.leave_hint) }
                        dt { code { "easytier-uptime hub promote '" (overview.name) "'" } } dd { (texts.force_hint) }
                    }
                },
            }
        }
    }
}

fn failed(refusal: SyncRefusal) -> Refusal {
    Refusal::new(StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), refusal.message)
}
