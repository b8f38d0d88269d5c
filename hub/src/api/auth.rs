//! Who asks, by the token or key that it shows.
//!
//! `x-node-token` decides alone where it is there; then `Authorization: Bearer`, then `x-api-key`. Each takes every kind
//! of token, and an empty one is as good as none.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use super::{App, admin::session, error::Refusal};
use crate::model::{Caller, ProbeIdentity, Region};

const NODE_TOKEN: HeaderName = HeaderName::from_static("x-node-token");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

pub(super) const NO_TOKEN: &str = "a node token is needed, as x-node-token or Authorization: Bearer";
const WRONG_TOKEN: &str = "the token or key is unknown or revoked";

/// The probe that shows its node token.
#[derive(Debug)]
pub(super) struct ProbeCaller(pub ProbeIdentity);

/// Who lists peers: a probe, somebody with an API key, or anybody.
#[derive(Debug)]
pub(super) enum Lister {
    Probe(ProbeIdentity),
    Reader,
    Anybody,
}

/// Who registers a probe: the probe itself, or whoever holds an enrollment key.
#[derive(Debug)]
pub(super) enum Registrant {
    Probe(ProbeIdentity),
    Enrollment { region: Option<Region> },
}

/// Refuses a region that is not the one that the probe's token is for.
pub(super) fn own_region(probe: &ProbeIdentity, named: Option<&Region>) -> Result<(), Refusal> {
    match named {
        Some(named) if *named != probe.region => {
            Err(Refusal::forbidden(format!("the node token is for the region '{}'", probe.region)))
        }
        _ => Ok(()),
    }
}

/// Whoever may see the probes: any token or API key, and the admin.
#[derive(Debug)]
pub(super) struct Insider;

impl FromRequestParts<App> for Insider {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if session::shown(parts, app).await?.is_some() {
            return Ok(Self);
        }
        match caller(&parts.headers, app).await? {
            Some(Caller::Probe(_) | Caller::Api { .. }) => Ok(Self),
            Some(Caller::Enrollment { .. }) => {
                Err(Refusal::forbidden("an enrollment key registers probes and lists none"))
            }
            None => Err(Refusal::unauthorized("a node token, an API key or an admin session is needed")),
        }
    }
}

impl FromRequestParts<App> for ProbeCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match caller(&parts.headers, app).await? {
            Some(Caller::Probe(probe)) => Ok(Self(probe)),
            Some(Caller::Api { .. } | Caller::Enrollment { .. }) | None => Err(Refusal::unauthorized(NO_TOKEN)),
        }
    }
}

impl FromRequestParts<App> for Lister {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match caller(&parts.headers, app).await? {
            Some(Caller::Probe(probe)) => Ok(Self::Probe(probe)),
            Some(Caller::Api { .. }) => Ok(Self::Reader),
            None => Ok(Self::Anybody),
            Some(Caller::Enrollment { .. }) => {
                Err(Refusal::forbidden("an enrollment key registers probes and lists no peers"))
            }
        }
    }
}

impl FromRequestParts<App> for Registrant {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match caller(&parts.headers, app).await? {
            Some(Caller::Probe(probe)) => Ok(Self::Probe(probe)),
            Some(Caller::Enrollment { region }) => Ok(Self::Enrollment { region }),
            Some(Caller::Api { .. }) => Err(Refusal::forbidden("an API key registers no probes")),
            None => Err(Refusal::unauthorized("an enrollment key or a node token is needed")),
        }
    }
}

/// Whom the request's token or key stands for; nobody when it carries none. One that is wrong is refused, also where
/// none is needed: whoever shows one believes that it counts.
pub(super) async fn caller(headers: &HeaderMap, app: &App) -> Result<Option<Caller>, Refusal> {
    let Some(presented) = presented(headers)? else { return Ok(None) };
    let caller = app.store.authenticate(presented).await?;
    caller.map(Some).ok_or_else(|| Refusal::unauthorized(WRONG_TOKEN))
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

/// The token of a Bearer header; other schemes are somebody else's, such as a proxy's.
pub(super) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
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
