//! Identifies the caller by the token or key of the request.
//!
//! Only the first of these headers counts: `x-node-token`, `Authorization: Bearer`, `x-api-key`. Each accepts every kind of
//! token, and an empty header counts as missing.

use std::collections::BTreeSet;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use easytier_uptime_monitor::{Refusal, bearer};
use easytier_uptime_store::{
    StoreError, acting,
    domain::{ActorKind, AuthFailure, Caller, ProbeIdentity, Scope, Timestamp},
};

use super::{App, recognise::recognise, session};
use crate::service::Registrant;

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

impl FromRequestParts<App> for Insider {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if session::find(parts, &app.sessions).await?.is_some() {
            return Ok(Self);
        }
        match caller(parts, app).await? {
            Some(Caller::Probe(_)) => Ok(Self),
            Some(Caller::Api { scopes, .. }) => reads(&scopes).map(|()| Self),
            Some(Caller::Enrollment(_)) => Err(Refusal::forbidden("an enrollment key cannot list probes")),
            None => Err(Refusal::unauthorized("a node token, an API key or an admin session is needed")),
        }
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
            Some(Caller::Api { scopes, .. }) => reads(&scopes).map(|()| Self::Reader),
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

/// Refuses an API key that may not read.
fn reads(scopes: &BTreeSet<Scope>) -> Result<(), Refusal> {
    match scopes.contains(&Scope::Read) {
        true => Ok(()),
        false => Err(no_scope(Scope::Read)),
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

fn presented(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
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
