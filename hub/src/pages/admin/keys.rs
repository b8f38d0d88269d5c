//! `/admin/keys`: tokens and keys. A new token is shown only once.

use axum::{
    extract::{Request, State},
    response::Response,
};
use easytier_uptime_store::domain::{Credential, CredentialId, CredentialKind, IssuedToken, Region, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        form::{self, Fields, Input},
        format::NOTHING,
        language::Texts,
        site::Site,
        view::View,
        widgets,
    },
    service::{CredentialRequest, FieldError, FieldProblem, MAX_NAME, ServiceError},
    web::Refusal,
};

const KINDS: [CredentialKind; 3] = [CredentialKind::Node, CredentialKind::Api, CredentialKind::Enrollment];

fn kind_text(texts: &Texts, kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Node => texts.kind_node,
        CredentialKind::Api => texts.kind_api,
        CredentialKind::Enrollment => texts.kind_enrollment,
    }
}

/// The form that creates a token or key, as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CreateForm {
    kind: String,
    name: String,
    region: String,
}

impl CreateForm {
    fn request(&self) -> Result<CredentialRequest, FieldError> {
        let region = Some(self.region.trim()).filter(|region| !region.is_empty());
        Ok(CredentialRequest {
            kind: kind_of(&self.kind)?,
            name: self.name.clone(),
            server_id: None,
            region: region
                .map(|region| region.parse::<Region>().map_err(|error| FieldError::new("region", error)))
                .transpose()?,
        })
    }
}

#[derive(Debug, Deserialize)]
struct RevokeForm {
    kind: String,
    id: CredentialId,
}

fn kind_of(name: &str) -> Result<CredentialKind, FieldError> {
    CredentialKind::from_name(name).ok_or_else(|| FieldError::new("kind", FieldProblem::UnknownKind))
}

pub async fn page(_: Operator, State(site): State<Site>, view: View) -> Result<Response, ServiceError> {
    shown(&site, &view, &CreateForm::default(), None, &form::no_outcome()).await
}

/// Creates a token or key, and shows it.
pub async fn create(_: Operator, State(site): State<Site>, view: View, request: Request) -> Result<Response, Refusal> {
    let create: CreateForm = form::read(request).await?;
    Ok(match issue(&site, &create).await {
        Ok(issued) => shown(&site, &view, &CreateForm::default(), None, &token(view.texts(), &issued)).await?,
        Err(error) => {
            let wrong = form::field_error(&error);
            let page = shown(&site, &view, &create, wrong, &form::refused(&view, &error)).await?;
            form::with_refusal(page, error)
        }
    })
}

async fn issue(site: &Site, create: &CreateForm) -> Result<IssuedToken, ServiceError> {
    site.admin.issue(create.request()?).await
}

/// Revokes a token or key.
pub async fn revoke(_: Operator, State(site): State<Site>, request: Request) -> Result<Response, Refusal> {
    let RevokeForm { kind, id } = form::read(request).await?;
    let kind = kind_of(&kind).map_err(ServiceError::from)?;
    site.admin.revoke(kind, id).await?;
    Ok(form::see_other("/admin/keys"))
}

fn token(texts: &Texts, issued: &IssuedToken) -> Markup {
    html! {
        section.panel.issued role="status" {
            h2 { (texts.issued) }
            p { (texts.issued_hint) }
            div.to-copy {
                code #issued { (issued.token.expose()) }
                button.copy type="button" hidden data-copy=(issued.token.expose()) { (texts.copy) }
            }
        }
    }
}

async fn shown(
    site: &Site,
    view: &View,
    create: &CreateForm,
    wrong: Option<&FieldError>,
    outcome: &Markup,
) -> Result<Response, ServiceError> {
    let (texts, now) = (view.texts(), Timestamp::now());
    let fields = Fields::new(view.language, wrong);
    let mut kinds = Vec::new();
    for kind in KINDS {
        kinds.push((kind, site.admin.credentials(kind).await?));
    }
    let default_region = Region::default();
    let region = Input::text("region", texts.region, &create.region, 64);
    let content = html! {
        (outcome)
        form.sheet method="post" action="/admin/keys" {
            fieldset {
                legend { (texts.new_key) }
                div.row {
                    (fields.select("kind", texts.kind, &create.kind, KINDS.map(|kind| (kind.as_str(), kind_text(texts, kind)))))
                    (fields.input(&Input::text("name", texts.name, &create.name, MAX_NAME).required()))
                    (fields.input(&Input { class: "", placeholder: Some(default_region.as_str()), ..region }))
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
    Ok(frame::page(view, texts.keys, &content))
}

fn table(view: &View, credentials: &[Credential], now: Timestamp) -> Markup {
    let texts = view.texts();
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head([texts.name, texts.probe, texts.region, texts.created, texts.actions]))
                tbody { @for credential in credentials { (row(view, credential, now)) } }
            }
        }
    }
}

fn row(view: &View, credential: &Credential, now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    html! {
        tr {
            th scope="row" { (credential.name) }
            td data-label=(texts.probe) { (credential.server_id.as_deref().unwrap_or(NOTHING)) }
            td data-label=(texts.region) { @match &credential.region { Some(region) => (region), None => (NOTHING) } }
            td data-label=(texts.created) { (widgets::ago(language, credential.created_at, now)) }
            td {
                @match credential.revoked_at {
                    Some(at) => span.muted { (texts.revoked) " " (widgets::ago(language, at, now)) },
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
