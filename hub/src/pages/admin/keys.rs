//! `/admin/keys`: tokens and keys. A new one is shown this once.

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_html_form::de::empty_as_none;

use super::{Operator, form};
use crate::{
    model::{Credential, CredentialId, Issued, Region},
    pages::{Site, format, language::Texts, view::View},
    time::Timestamp,
    token::CredentialKind,
    web::{Refusal, input},
};

const KINDS: [CredentialKind; 3] = [CredentialKind::Node, CredentialKind::Api, CredentialKind::Enrollment];

/// The longest name, in characters.
const MAX_NAME: usize = 100;

fn kind_text(texts: &Texts, kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Node => texts.kind_node,
        CredentialKind::Api => texts.kind_api,
        CredentialKind::Enrollment => texts.kind_enrollment,
    }
}

#[derive(Debug, Deserialize)]
struct Wanted {
    kind: String,
    name: String,
    #[serde(default, deserialize_with = "empty_as_none")]
    region: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ended {
    kind: String,
    id: CredentialId,
}

pub async fn page(_: Operator, State(site): State<Site>, view: View) -> Result<Response, Refusal> {
    shown(&site, &view, None).await
}

pub async fn create(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let Wanted { kind, name, region } = form(request).await?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Refusal::bad_request(format!("name: it takes 1 to {MAX_NAME} characters")));
    }
    let region = input::region("region", region.as_deref())?;
    let (store, now) = (&site.store, Timestamp::now());
    let issued = match of_name(&kind)? {
        CredentialKind::Node => store.create_node_token(name, None, &region.unwrap_or_default(), now).await?,
        CredentialKind::Api => store.create_api_key(name, now).await?,
        CredentialKind::Enrollment => store.create_enrollment_key(name, region.as_ref(), now).await?,
    };
    shown(&site, &view, Some(issued)).await
}

pub async fn revoke(_: Operator, State(site): State<Site>, request: Request) -> Result<Response, Refusal> {
    let Ended { kind, id } = form(request).await?;
    site.store.revoke_credential(of_name(&kind)?, id, Timestamp::now()).await?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, "/admin/keys")]).into_response())
}

fn of_name(name: &str) -> Result<CredentialKind, Refusal> {
    CredentialKind::from_name(name).ok_or_else(|| Refusal::bad_request("kind: there is no such kind"))
}

async fn shown(site: &Site, view: &View, issued: Option<Issued>) -> Result<Response, Refusal> {
    let (texts, now) = (view.texts(), Timestamp::now());
    let mut kinds = Vec::new();
    for kind in KINDS {
        kinds.push((kind, site.store.credentials(kind).await?));
    }
    let content = html! {
        @if let Some(issued) = issued {
            section.panel.issued role="status" {
                h2 { (texts.issued) }
                p { (texts.issued_hint) }
                div.to-copy {
                    code #issued { (issued.token.expose()) }
                    button.copy type="button" hidden data-copy=(issued.token.expose()) { (texts.copy) }
                }
            }
        }
        form.sheet method="post" action="/admin/keys" {
            fieldset {
                legend { (texts.new_key) }
                div.row {
                    label { span { (texts.kind) }
                        select name="kind" { @for kind in KINDS { option value=(kind.as_str()) { (kind_text(texts, kind)) } } }
                    }
                    label.grow { span { (texts.name) " *" } input name="name" required maxlength=(MAX_NAME) autocomplete="off"; }
                    label { span { (texts.its_region) } input name="region" maxlength="64" placeholder=(Region::default()) autocomplete="off"; }
                }
                button.primary type="submit" { (texts.create) }
            }
        }
        @for (kind, credentials) in &kinds {
            section.panel {
                h2 { (kind_text(texts, *kind)) }
                @if credentials.is_empty() { p.empty { (texts.none) } } @else { (table(view, credentials, now)) }
            }
        }
    };
    Ok(super::page(view, texts.keys, &content))
}

fn table(view: &View, credentials: &[Credential], now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    html! {
        div.frame {
            table.plain.stack {
                thead { tr { @for label in [texts.name, texts.probe, texts.its_region, texts.created, texts.actions] { th scope="col" { (label) } } } }
                tbody {
                    @for credential in credentials {
                        tr {
                            th scope="row" { (credential.name) }
                            td { (credential.server_id.as_deref().unwrap_or("–")) }
                            td { @match &credential.region { Some(region) => (region), None => "–" } }
                            td { (format::ago(language, credential.created_at, now)) }
                            td {
                                @match credential.revoked_at {
                                    Some(at) => span.muted { (texts.revoked) " " (format::ago(language, at, now)) },
                                    None => form.inline method="post" action="/admin/keys/revoke" {
                                        input type="hidden" name="kind" value=(credential.kind.as_str());
                                        input type="hidden" name="id" value=(credential.id);
                                        button.danger type="submit" { (texts.revoke) }
                                    },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
