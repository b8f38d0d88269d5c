//! `/admin/keys`: tokens and keys, with their limits, their last use and why they are no longer accepted. A new token is shown
//! only once.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use easytier_uptime_store::domain::{
    Credential, CredentialId, CredentialKind, DAY, IssuedToken, Lapsed, Region, Scope, Timestamp,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{frame, operator::Operator};
use crate::{
    pages::{
        form::{self, Fields, Input},
        format::NOTHING,
        language::Texts,
        site::Site,
        standing,
        view::View,
        widgets,
    },
    service::{CredentialRequest, FieldError, FieldProblem, KeyLimit, MAX_DAYS, MAX_NAME, MAX_USES, ServiceError},
    web::Refusal,
};

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
    any_region: String,
    days: String,
    uses: String,
    #[serde(rename = "scope")]
    scopes: Vec<String>,
}

impl CreateForm {
    /// What an API key may do: read, unless something is ticked.
    fn scopes(&self) -> BTreeSet<Scope> {
        let ticked: BTreeSet<Scope> = self.scopes.iter().filter_map(|name| Scope::from_name(name)).collect();
        if ticked.is_empty() { [Scope::Read].into() } else { ticked }
    }

    fn request(&self) -> Result<CredentialRequest, FieldError> {
        let kind = kind_of(&self.kind)?;
        let region = Some(self.region.trim()).filter(|region| !region.is_empty());
        let region = region.map(|region| region.parse::<Region>().map_err(|error| FieldError::new("region", error)));
        let lifetime = match limit("days", &self.days, MAX_DAYS)? {
            KeyLimit::At(days) => KeyLimit::At(DAY * days),
            KeyLimit::Usual => KeyLimit::Usual,
            KeyLimit::Unlimited => KeyLimit::<Duration>::Unlimited,
        };
        Ok(CredentialRequest {
            region: region.transpose()?,
            any_region: !self.any_region.is_empty(),
            lifetime,
            uses: limit("uses", &self.uses, MAX_USES)?,
            scopes: self.scopes(),
            ..CredentialRequest::new(kind, &self.name)
        })
    }
}

/// The limit in a field: the usual one if it is empty, none if it is 0.
fn limit(field: &'static str, text: &str, max: u32) -> Result<KeyLimit<u32>, FieldError> {
    Ok(match form::number(field, text, 0, max)? {
        None => KeyLimit::Usual,
        Some(0) => KeyLimit::Unlimited,
        Some(limit) => KeyLimit::At(limit),
    })
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
    Ok(match site.admin.revoke(kind, id).await {
        Ok(()) => form::see_other("/admin/keys"),
        Err(error) => error.into_response(),
    })
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
    for kind in CredentialKind::ALL {
        kinds.push((kind, site.admin.credentials(kind).await?));
    }
    let default_region = Region::default();
    let region = Input::text("region", texts.region, &create.region, 64);
    let days = Input::number("days", texts.valid_for, &create.days, 0, MAX_DAYS).hint(texts.valid_for_hint);
    let uses = Input::number("uses", texts.max_probes, &create.uses, 0, MAX_USES).hint(texts.max_probes_hint);
    let scopes = create.scopes();
    let form = html! {
        form.sheet method="post" action="/admin/keys" {
            fieldset {
                legend { (texts.new_key) }
                div.row {
                    (fields.select("kind", texts.kind, &create.kind, CredentialKind::ALL.map(|kind| (kind.as_str(), kind_text(texts, kind)))))
                    (fields.input(&Input::text("name", texts.name, &create.name, MAX_NAME).required()))
                    (fields.input(&Input { class: "", placeholder: Some(default_region.as_str()), ..region }))
                    (fields.check("any_region", texts.any_region, !create.any_region.is_empty()))
                }
                p.muted { (texts.scopes_hint) }
                div.row {
                    @for scope in Scope::ALL {
                        label.check {
                            input type="checkbox" name="scope" value=(scope.as_str()) checked[scopes.contains(&scope)];
                            span { (view.language.scope(scope)) }
                        }
                    }
                }
                div.row {
                    (fields.input(&Input { class: "grow", ..days }))
                    (fields.input(&Input { class: "grow", ..uses }))
                }
                button.primary type="submit" { (texts.create) }
            }
        }
    };
    let content = html! {
        (outcome)
        (standing::edits(view, &form))
        @for (kind, credentials) in &kinds {
            section.panel {
                h2 { (kind_text(texts, *kind)) }
                @if credentials.is_empty() { p.empty { (texts.none) } } @else { (table(view, *kind, credentials, now)) }
            }
        }
    };
    Ok(frame::page(view, texts.keys, &content))
}

fn table(view: &View, kind: CredentialKind, credentials: &[Credential], now: Timestamp) -> Markup {
    let texts = view.texts();
    let columns = [
        texts.name,
        probes_text(texts, kind),
        texts.region,
        texts.created,
        texts.last_used,
        texts.expires,
        texts.actions,
    ];
    html! {
        div.frame {
            table.plain.stack {
                (widgets::table_head(columns))
                tbody { @for credential in credentials { (row(view, credential, now)) } }
            }
        }
    }
}

/// The label of the column that says which probe a token is for, or how many probes a key has enrolled.
fn probes_text(texts: &Texts, kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Enrollment => texts.enrolled,
        CredentialKind::Api => texts.scopes,
        CredentialKind::Node => texts.probe,
    }
}

fn row(view: &View, credential: &Credential, now: Timestamp) -> Markup {
    let (texts, language) = (view.texts(), view.language);
    let lapsed = credential.lapsed(now);
    html! {
        tr {
            th scope="row" { (credential.name) }
            td data-label=(probes_text(texts, credential.kind)) { (probes(credential)) }
            td data-label=(texts.region) { @match &credential.region { Some(region) => (region), None => (NOTHING) } }
            td data-label=(texts.created) { (widgets::ago(language, credential.created_at, now)) }
            td data-label=(texts.last_used) {
                @match credential.last_used_at { Some(at) => (widgets::ago(language, at, now)), None => (texts.never_used) }
            }
            td data-label=(texts.expires) {
                @match credential.expires_at {
                    None => (texts.no_expiry),
                    Some(at) if at > now => (widgets::ahead(language, at, now)),
                    Some(at) => (widgets::ago(language, at, now)),
                }
            }
            td {
                @if let Some(lapsed) = &lapsed {
                    span.muted {
                        (language.lapsed(lapsed))
                        @if let Lapsed::Revoked { at } = lapsed { " " (widgets::ago(language, *at, now)) }
                    }
                }
                @if credential.revoked_at.is_none() && !standing::is_closed(view) {
                    form.inline method="post" action="/admin/keys/revoke" {
                        input type="hidden" name="kind" value=(credential.kind.as_str());
                        input type="hidden" name="id" value=(credential.id);
                        button.danger type="submit" { (texts.revoke) }
                    }
                }
            }
        }
    }
}

fn probes(credential: &Credential) -> String {
    match (credential.kind, credential.max_uses) {
        (CredentialKind::Enrollment, Some(max)) => format!("{} / {max}", credential.uses),
        (CredentialKind::Enrollment, None) => credential.uses.to_string(),
        (CredentialKind::Api, _) => credential.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", "),
        (CredentialKind::Node, _) => credential.server_id.clone().unwrap_or(NOTHING.to_owned()),
    }
}
