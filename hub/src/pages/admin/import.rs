//! `/admin/import`: adds many nodes at once.

use axum::{
    extract::{Request, State},
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Operator, form};
use crate::{
    pages::{Site, view::View},
    peer_file,
    service::Done,
    web::Refusal,
};

#[derive(Debug, Deserialize)]
struct Sent {
    peers: String,
}

pub async fn page(_: Operator, view: View) -> Response {
    shown(&view, "", &html! {})
}

/// Adds all, or none when something is wrong with one.
pub async fn import(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let Sent { peers: text } = form(request).await?;
    let texts = view.texts();
    let (mut candidates, mut problems) = (Vec::new(), Vec::new());
    for (place, read) in
        peer_file::parse(&text).unwrap_or_else(|problem| vec![(texts.the_list.to_owned(), Err(vec![problem]))])
    {
        match read {
            Ok(candidate) => candidates.push(candidate),
            Err(more) => problems.extend(more.into_iter().map(|problem| format!("{place}: {problem}"))),
        }
    }
    if !problems.is_empty() {
        let told = html! {
            div.outcome.bad role="status" { p { strong { (texts.nothing_imported) } } pre { (problems.join("\n")) } }
        };
        return Ok(shown(&view, &text, &told));
    }
    let Done { added, known, waiting } = site.app.admin.import_nodes(candidates).await?;
    let told = html! {
        div.outcome.good role="status" {
            p {
                (texts.added) ": " b { (added) } ". " (texts.known) ": " b { (known) } "."
                @if waiting > 0 { " " (texts.queue) ": " b { (waiting) } "." }
            }
        }
    };
    Ok(shown(&view, "", &told))
}

fn shown(view: &View, text: &str, told: &Markup) -> Response {
    let texts = view.texts();
    let content = html! {
        (told)
        form.sheet method="post" action="/admin/import" {
            fieldset {
                legend { (texts.import) }
                label { span { (texts.import_hint) } textarea.code name="peers" rows="14" required spellcheck="false" { (text) } }
                button.primary type="submit" { (texts.import) }
            }
        }
    };
    super::page(view, texts.import, &content)
}
