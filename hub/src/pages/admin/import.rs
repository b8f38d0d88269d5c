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
        form::{self, Fields, Outcome},
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ImportForm {
    peers: String,
    skip_invalid: bool,
    step: Step,
}

/// The nodes of a text.
struct Listed {
    nodes: Vec<NewPeer>,
    /// How many of its entries are not valid.
    invalid: usize,
    problems: Vec<String>,
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
    shown(&view, &ImportForm::default(), &form::no_outcome())
}

/// Adds all nodes of a text, or none if one of them is not valid and the operator does not leave it out; or shows what would be added.
pub async fn import(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let form: ImportForm = form::read(request).await?;
    let listed = match read(&view, &form) {
        Ok(listed) => listed,
        Err(problems) => {
            let mut page = shown(&view, &form, &problems_of(&view, &problems));
            *page.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(page);
        }
    };
    let done = match form.step {
        Step::Preview => preview(&site, &view, &listed).await,
        Step::Import => add(&site, &view, &listed).await,
    };
    Ok(match (done, form.step) {
        (Ok(outcome), Step::Preview) => shown(&view, &form, &outcome),
        (Ok(outcome), Step::Import) => shown(&view, &ImportForm::default(), &outcome),
        (Err(error), _) => form::with_refusal(shown(&view, &form, &form::refused(&view, &error)), error),
    })
}

/// The nodes of a text, or every problem with them; of the problems there may be some only where invalid entries are left out.
fn read(view: &View, form: &ImportForm) -> Result<Listed, Vec<String>> {
    let (mut nodes, mut invalid, mut problems) = (Vec::new(), 0, Vec::new());
    let listed = peer_file::parse(&form.peers).map_err(|problem| vec![view.language.list_problem(&problem)])?;
    for (place, node) in listed {
        match node {
            Ok(node) => nodes.push(node),
            Err(more) => {
                invalid += 1;
                problems.extend(more.iter().map(|problem| view.language.import_problem(&place, problem)));
            }
        }
    }
    match problems.is_empty() || (form.skip_invalid && !nodes.is_empty()) {
        true => Ok(Listed { nodes, invalid, problems }),
        false => Err(problems),
    }
}

fn problems_of(view: &View, problems: &[String]) -> Markup {
    let content = html! {
        p { strong { (view.texts().nothing_imported) } }
        pre { (problems.join("\n")) }
    };
    form::outcome(Outcome::Bad, &content)
}

/// What is left out.
fn left_out(view: &View, listed: &Listed) -> Markup {
    html! {
        @if listed.invalid > 0 {
            p { (view.language.left_out(listed.invalid)) }
            pre { (listed.problems.join("\n")) }
        }
    }
}

async fn add(site: &Site, view: &View, listed: &Listed) -> Result<Markup, ServiceError> {
    let counts = site.admin.import_nodes(&listed.nodes).await?;
    Ok(form::outcome(Outcome::Good, &html! { p { (view.language.imported(counts)) } (left_out(view, listed)) }))
}

async fn preview(site: &Site, view: &View, listed: &Listed) -> Result<Markup, ServiceError> {
    let nodes = &listed.nodes;
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
        (left_out(view, listed))
    };
    Ok(form::outcome(Outcome::Good, &content))
}

fn shown(view: &View, sent: &ImportForm, outcome: &Markup) -> Response {
    let texts = view.texts();
    let form = html! {
        form.sheet method="post" action="/admin/import" {
            fieldset {
                legend { (texts.import) }
                label { span { (texts.import_hint) } textarea.code name="peers" rows="14" required spellcheck="false" { (sent.peers) } }
                (Fields::new(view.language, None).check("skip_invalid", texts.skip_invalid, sent.skip_invalid))
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
