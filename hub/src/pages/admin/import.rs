//! `/admin/import`: adds many nodes at once.

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_probe::peer_list;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Operator, form};
use crate::{
    api::error::Refusal,
    model::{Imported, PeerSpec},
    pages::{Site, view::View},
    time::Timestamp,
};

#[derive(Debug, Deserialize)]
struct Sent {
    peers: String,
}

pub async fn page(_: Operator, view: View) -> Response {
    shown(&view, "", &html! {})
}

pub async fn import(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let Sent { peers: text } = form(request).await?;
    let texts = view.texts();
    let specs: Vec<PeerSpec> = match peer_list::parse(&text) {
        Ok(peers) => peers.iter().map(PeerSpec::from).collect(),
        Err(error) => {
            let told = html! { div.outcome.bad role="status" { p { strong { (texts.failed) } } pre { (error) } } };
            return Ok(shown(&view, &text, &told));
        }
    };
    let Imported { added, known } = site.store.import_peers(&specs, Timestamp::now()).await?;
    let told = html! { div.outcome.good role="status" { p { (texts.added) ": " b { (added) } ". " (texts.known) ": " b { (known) } "." } } };
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
