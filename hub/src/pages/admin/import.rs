//! `/admin/import`: adds many nodes at once, after a preview if the operator wants one.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use easytier_uptime_store::domain::NewPeer;
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        form::{self, Outcome},
        site::Site,
        standing,
        view::View,
        widgets,
    },
    peer_file,
    service::ServiceError,
    web::Refusal,
};

/// How many nodes a preview shows.
const MAX_SHOWN: usize = 200;

#[derive(Debug, Deserialize)]
struct ImportForm {
    #[serde(default)]
    peers: String,
    #[serde(default)]
    step: Step,
}

/// The button that sent the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Preview,
    #[default]
    Import,
}

pub async fn page(_: Operator, view: View) -> Response {
    shown(&view, "", &form::no_outcome())
}

/// Adds all nodes of a text, or none if one of them is not valid; or shows what would be added.
pub async fn import(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let ImportForm { peers: text, step } = form::read(request).await?;
    let nodes = match read(&view, &text) {
        Ok(nodes) => nodes,
        Err(problems) => {
            let mut page = shown(&view, &text, &problems_of(&view, &problems));
            *page.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(page);
        }
    };
    let done = match step {
        Step::Preview => preview(&site, &view, &nodes).await.map(|outcome| (text.as_str(), outcome)),
        Step::Import => add(&site, &view, &nodes).await.map(|outcome| ("", outcome)),
    };
    Ok(match done {
        Ok((text, outcome)) => shown(&view, text, &outcome),
        Err(error) => refused(&view, &text, error),
    })
}

/// The nodes of a text, or every problem with them.
fn read(view: &View, text: &str) -> Result<Vec<NewPeer>, Vec<String>> {
    let (mut nodes, mut problems) = (Vec::new(), Vec::new());
    let listed = peer_file::parse(text).map_err(|problem| vec![view.language.list_problem(&problem)])?;
    for (place, node) in listed {
        match node {
            Ok(node) => nodes.push(node),
            Err(more) => problems.extend(more.iter().map(|problem| view.language.import_problem(&place, problem))),
        }
    }
    if problems.is_empty() { Ok(nodes) } else { Err(problems) }
}

fn problems_of(view: &View, problems: &[String]) -> Markup {
    let content = html! {
        p { strong { (view.texts().nothing_imported) } }
        pre { (problems.join("\n")) }
    };
    form::outcome(Outcome::Bad, &content)
}

async fn add(site: &Site, view: &View, nodes: &[NewPeer]) -> Result<Markup, ServiceError> {
    let counts = site.admin.import_nodes(nodes).await?;
    Ok(form::outcome(Outcome::Good, &html! { p { (view.language.imported(counts)) } }))
}

async fn preview(site: &Site, view: &View, nodes: &[NewPeer]) -> Result<Markup, ServiceError> {
    let (texts, are_new) = (view.texts(), site.admin.importable(nodes).await?);
    let new = are_new.iter().filter(|is_new| **is_new).count();
    let content = html! {
        p { (view.language.importable(new, nodes.len() - new)) }
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.node, texts.status]))
                tbody {
                    @for (node, is_new) in nodes.iter().zip(are_new).take(MAX_SHOWN) {
                        tr {
                            th scope="row" { (node.spec.name) div.muted { code { (node.spec.url) } } }
                            td data-label=(texts.status) { (if is_new { texts.is_new } else { texts.is_listed }) }
                        }
                    }
                }
            }
        }
        @if nodes.len() > MAX_SHOWN { p { (view.language.more(nodes.len() - MAX_SHOWN)) } }
    };
    Ok(form::outcome(Outcome::Good, &content))
}

fn refused(view: &View, text: &str, error: ServiceError) -> Response {
    form::with_refusal(shown(view, text, &form::refused(view, &error)), error)
}

fn shown(view: &View, text: &str, outcome: &Markup) -> Response {
    let texts = view.texts();
    let form = html! {
        form.sheet method="post" action="/admin/import" {
            fieldset {
                legend { (texts.import) }
                label { span { (texts.import_hint) } textarea.code name="peers" rows="14" required spellcheck="false" { (text) } }
                div.actions {
                    button type="submit" name="step" value="preview" { (texts.preview) }
                    button.primary type="submit" name="step" value="import" { (texts.import) }
                }
            }
        }
    };
    let content = html! { (outcome) (standing::edits(view, &form)) };
    frame::page(view, texts.import, &content)
}
