//! Identifies the caller by the token or key of the request.
//!
//! Only the first of these headers counts: `x-node-token`, `Authorization: Bearer`, `x-api-key`. Each accepts every kind of
//! token, and an empty header counts as missing.

use std::{collections::BTreeSet, marker::PhantomData};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use easytier_uptime_monitor::{Refusal, bearer};
use easytier_uptime_store::{
    StoreError, acting,
    domain::{ActorKind, AuthFailure, Caller, CredentialKind, ProbeIdentity, Scope, Timestamp},
};

use super::{App, recognise::recognise, session};
use crate::service::{Asker, Registrant};

pub(super) const NODE_TOKEN: HeaderName = HeaderName::from_static("x-node-token");
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(crate) const NO_TOKEN: &str = "a node token is needed, as x-node-token or Authorization: Bearer";
const WRONG_TOKEN: &str = "the token or key is unknown";
const NOT_TOLD_YET: &str = "this instance does not know the token or key; its primary may not have told it yet";

/// The probe of a node token.
#[derive(Debug)]
pub(crate) struct ProbeCaller(pub ProbeIdentity);

/// The caller that lists peers: a probe, the holder of an API key, or anybody.
#[derive(Debug)]
pub(crate) enum Lister {
    Probe(ProbeIdentity),
    Reader,
    Anybody,
}

/// The caller that registers a probe.
#[derive(Debug)]
pub(crate) struct RegistrantCaller(pub Registrant);

/// A caller that may list the probes: the holder of a node token or an API key, or the admin.
#[derive(Debug)]
pub(crate) struct Insider;

/// A caller that may have nodes checked: the admin, or the holder of an API key with the scope `checks`.
#[derive(Debug)]
pub(crate) struct CheckCaller(pub Asker);

impl FromRequestParts<App> for CheckCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if session::find(parts, &app.sessions).await?.is_some() {
            return Ok(Self(Asker::Admin));
        }
        match caller(parts, app).await? {
            Some(Caller::Api { scopes, name }) if scopes.contains(&Scope::Checks) => Ok(Self(Asker::Key(name))),
            Some(Caller::Api { .. }) => Err(no_scope(Scope::Checks)),
            Some(Caller::Probe(_) | Caller::Enrollment(_)) | None => {
                Err(Refusal::unauthorized("an API key with the scope 'checks' or an admin session is needed"))
            }
        }
    }
}

impl FromRequestParts<App> for Insider {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if session::find(parts, &app.sessions).await?.is_some() {
            return Ok(Self);
        }
        match caller(parts, app).await? {
            Some(Caller::Probe(_)) => Ok(Self),
            Some(Caller::Api { scopes, .. }) => permits(&scopes, &[Scope::Read]).map(|()| Self),
            Some(Caller::Enrollment(_)) => Err(Refusal::forbidden("an enrollment key cannot list probes")),
            None => Err(Refusal::unauthorized("a node token, an API key or an admin session is needed")),
        }
    }
}

/// A permission that the admin has, and a program by an API key with a scope.
pub(crate) trait Permission {
    const SCOPE: Scope;
}

/// The permission to add, change, approve and delete nodes.
#[derive(Debug)]
pub(crate) struct EditPeers;

impl Permission for EditPeers {
    const SCOPE: Scope = Scope::Peers;
}

/// The permission to manage probes.
#[derive(Debug)]
pub(crate) struct ManageProbes;

impl Permission for ManageProbes {
    const SCOPE: Scope = Scope::Nodes;
}

/// The permission to read the audit log.
#[derive(Debug)]
pub(crate) struct ReadAudit;

impl Permission for ReadAudit {
    const SCOPE: Scope = Scope::Audit;
}

/// The permission to read and change the settings that hubs share.
#[derive(Debug)]
pub(crate) struct ChangeSettings;

impl Permission for ChangeSettings {
    const SCOPE: Scope = Scope::Settings;
}

/// The permission to read how much there is of everything.
#[derive(Debug)]
pub(crate) struct ReadStatus;

impl Permission for ReadStatus {
    const SCOPE: Scope = Scope::Read;
}

/// A caller that has a permission: the admin, or a program by an API key with its scope.
#[derive(Debug)]
pub(crate) struct Permitted<P> {
    pub is_admin: bool,
    permission: PhantomData<P>,
}

impl<P> Permitted<P> {
    fn new(is_admin: bool) -> Self {
        Self { is_admin, permission: PhantomData }
    }
}

impl<P: Permission> FromRequestParts<App> for Permitted<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if session::find(parts, &app.sessions).await?.is_some() {
            return Ok(Self::new(true));
        }
        // Who presents anything else wanted to be the admin.
        if presented(&parts.headers)?.and_then(CredentialKind::of_token) == Some(CredentialKind::Api)
            && let Some(Caller::Api { scopes, .. }) = caller(parts, app).await?
        {
            return permits(&scopes, &[P::SCOPE]).map(|()| Self::new(false));
        }
        let scope = P::SCOPE.as_str();
        Err(Refusal::unauthorized(format!("log in as the admin first, or send an API key with the scope '{scope}'")))
    }
}

/// A caller that may read the metrics: one of the insiders, or a program by an API key with the scope `metrics`.
#[derive(Debug)]
pub(crate) struct MetricsReader;

impl FromRequestParts<App> for MetricsReader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if presented(&parts.headers)?.and_then(CredentialKind::of_token) == Some(CredentialKind::Api)
            && let Some(Caller::Api { scopes, .. }) = caller(parts, app).await?
        {
            return permits(&scopes, &[Scope::Metrics, Scope::Read]).map(|()| Self);
        }
        Insider::from_request_parts(parts, app).await.map(|Insider| Self)
    }
}

impl FromRequestParts<App> for ProbeCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match caller(parts, app).await? {
            Some(Caller::Probe(probe)) => Ok(Self(probe)),
            Some(Caller::Api { .. } | Caller::Enrollment(_)) | None => Err(Refusal::unauthorized(NO_TOKEN)),
        }
    }
}

impl FromRequestParts<App> for Lister {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match caller(parts, app).await? {
            Some(Caller::Probe(probe)) => Ok(Self::Probe(probe)),
            Some(Caller::Api { scopes, .. }) => permits(&scopes, &[Scope::Read]).map(|()| Self::Reader),
            None => Ok(Self::Anybody),
            Some(Caller::Enrollment(_)) => Err(Refusal::forbidden("an enrollment key cannot list peers")),
        }
    }
}

impl FromRequestParts<App> for RegistrantCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match caller(parts, app).await? {
            Some(Caller::Probe(probe)) => Ok(Self(Registrant::Probe(probe))),
            Some(Caller::Enrollment(key)) => Ok(Self(Registrant::Enrollment(key))),
            Some(Caller::Api { .. }) => Err(Refusal::forbidden("an API key cannot register probes")),
            None => Err(Refusal::unauthorized("an enrollment key or a node token is needed")),
        }
    }
}

/// Refuses an API key that has none of the scopes, of which the first is the one for it.
fn permits(scopes: &BTreeSet<Scope>, any: &[Scope]) -> Result<(), Refusal> {
    match any {
        [first, ..] if !any.iter().any(|scope| scopes.contains(scope)) => Err(no_scope(*first)),
        _ => Ok(()),
    }
}

/// The refusal of an API key without a scope.
pub(super) fn no_scope(scope: Scope) -> Refusal {
    acting::fails(AuthFailure::Scope);
    Refusal::forbidden(format!("the API key has no scope '{}'", scope.as_str()))
}

/// The owner of the request's token or key; `None` without one. A wrong one is refused even if the route needs none,
/// because its holder expects it to count.
async fn caller(parts: &Parts, app: &App) -> Result<Option<Caller>, Refusal> {
    let Some(presented) = presented(&parts.headers)? else { return Ok(None) };
    let caller = app.store.authenticate(presented, Timestamp::now()).await.inspect_err(|error| {
        if matches!(error, StoreError::Lapsed(_)) {
            acting::fails(AuthFailure::Lapsed);
        }
    })?;
    let Some(caller) = caller else { return Err(unknown(presented, app).await?) };
    recognise(parts);
    match &caller {
        Caller::Probe(probe) => acting::acts_as(ActorKind::Probe, probe.server_id.as_str()),
        Caller::Api { name, .. } => acting::acts_as(ActorKind::Key, name.as_str()),
        Caller::Enrollment(key) => acting::acts_as(ActorKind::Enrollment, key.id.to_string()),
    }
    Ok(Some(caller))
}

/// The refusal of a token that is not known here. If it may be right, its holder should ask another instance, or later.
async fn unknown(token: &str, app: &App) -> Result<Refusal, Refusal> {
    let instance = app.store.instance().await?;
    Ok(match app.unknown_tokens.may_be_right(token, instance.role, instance.synced_at, Timestamp::now()) {
        true => Refusal::unavailable(NOT_TOLD_YET),
        false => Refusal::unauthorized(WRONG_TOKEN),
    })
}

/// The token or key of a request; `None` without one.
pub(super) fn presented(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let text = |name: HeaderName| match headers.get(name).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(Refusal::unauthorized(WRONG_TOKEN)),
    };
    if let Some(token) = text(NODE_TOKEN)? {
        return Ok(Some(token));
    }
    if let Some(token) = text(header::AUTHORIZATION)?.and_then(bearer) {
        return Ok(Some(token));
    }
    text(API_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(&HeaderName, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| ((*name).clone(), value.parse().unwrap())).collect();
        presented(&headers).unwrap().map(str::to_owned)
    }

    #[test]
    fn the_node_token_wins_over_bearer_and_bearer_over_the_api_key() {
        let bearer = (&header::AUTHORIZATION, "Bearer b");
        assert_eq!(shown(&[(&API_KEY, "a"), bearer, (&NODE_TOKEN, "n")]).as_deref(), Some("n"));
        assert_eq!(shown(&[(&API_KEY, "a"), bearer]).as_deref(), Some("b"));
        assert_eq!(shown(&[(&API_KEY, "a"), bearer, (&NODE_TOKEN, "")]).as_deref(), Some("b"));
        assert_eq!(shown(&[(&API_KEY, "a"), (&header::AUTHORIZATION, "Basic eDp5")]).as_deref(), Some("a"));
        assert_eq!(shown(&[(&header::AUTHORIZATION, "bearer  b ")]).as_deref(), Some("b"));
        assert_eq!(shown(&[(&header::AUTHORIZATION, "Bearer ")]), None);
        assert_eq!(shown(&[]), None);
    }
}
