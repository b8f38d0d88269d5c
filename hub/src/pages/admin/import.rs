//! `/admin/import`: adds many nodes at once.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        form::{self, Outcome},
        site::Site,
        view::View,
    },
    peer_file::{self, Candidate},
    service::{Done, ServiceError},
    web::Refusal,
};

#[derive(Debug, Deserialize)]
struct ImportForm {
    #[serde(default)]
    peers: String,
}

pub async fn page(_: Operator, view: View) -> Response {
    shown(&view, "", &form::no_outcome())
}

/// Adds all nodes of a text, or none if one of them is not valid.
pub async fn import(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let ImportForm { peers: text } = form::read(request).await?;
    let candidates = match read(&view, &text) {
        Ok(candidates) => candidates,
        Err(problems) => {
            let mut page = shown(&view, &text, &problems_of(&view, &problems));
            *page.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(page);
        }
    };
    Ok(match site.admin.import_nodes(candidates).await {
        Ok(done) => shown(&view, "", &imported(&view, done)),
        Err(error) => refused(&view, &text, error),
    })
}

/// The nodes of a text, or every problem with them.
fn read(view: &View, text: &str) -> Result<Vec<Candidate>, Vec<String>> {
    let (mut candidates, mut problems) = (Vec::new(), Vec::new());
    let listed = peer_file::parse(text).map_err(|problem| vec![view.language.list_problem(&problem)])?;
    for (place, candidate) in listed {
        match candidate {
            Ok(candidate) => candidates.push(candidate),
            Err(more) => problems.extend(more.iter().map(|problem| view.language.import_problem(&place, problem))),
        }
    }
    if problems.is_empty() { Ok(candidates) } else { Err(problems) }
}

fn problems_of(view: &View, problems: &[String]) -> Markup {
    let content = html! {
        p { strong { (view.texts().nothing_imported) } }
        pre { (problems.join("\n")) }
    };
    form::outcome(Outcome::Bad, &content)
}

fn imported(view: &View, Done { added, waiting, known }: Done) -> Markup {
    form::outcome(Outcome::Good, &html! { p { (view.language.imported(added, waiting, known)) } })
}

fn refused(view: &View, text: &str, error: ServiceError) -> Response {
    form::with_refusal(shown(view, text, &form::refused(view, &error)), error)
}

fn shown(view: &View, text: &str, outcome: &Markup) -> Response {
    let texts = view.texts();
    let content = html! {
        (outcome)
        form.sheet method="post" action="/admin/import" {
            fieldset {
                legend { (texts.import) }
                label { span { (texts.import_hint) } textarea.code name="peers" rows="14" required spellcheck="false" { (text) } }
                button.primary type="submit" { (texts.import) }
            }
        }
    };
    frame::page(view, texts.import, &content)
}
