//! Callers of the registry and of the list of servers, among them those without any credential where the hub takes them.

use std::net::IpAddr;

use axum::{extract::FromRequestParts, http::request::Parts};
use easytier_uptime_monitor::{Party, Refusal, Turn};
use easytier_uptime_store::domain::ProbeIdentity;

use super::{
    App,
    client::Client,
    credentials::{Insider, ProbeCaller, RegistrantCaller, presented},
    poster::Poster,
};
use crate::service::Registrant;

/// The caller that registers a server.
#[derive(Debug)]
pub(crate) enum Announcer {
    /// A probe, or who may make one.
    Known(Registrant),
    /// Somebody without a credential, at this address.
    Stranger(IpAddr),
}

/// The caller that a registered server is.
#[derive(Debug)]
pub(crate) enum ServerCaller {
    Probe(ProbeIdentity),
    /// Somebody without a credential, at this address.
    Stranger(IpAddr),
}

/// A caller that may list the servers: one of the insiders, or anybody, one after the other.
#[derive(Debug)]
pub(crate) struct ServerLister {
    _turn: Option<Turn>,
}

impl FromRequestParts<App> for Announcer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if let Some(address) = stranger(parts, app).await? {
            return Ok(Self::Stranger(address));
        }
        RegistrantCaller::from_request_parts(parts, app).await.map(|RegistrantCaller(known)| Self::Known(known))
    }
}

impl FromRequestParts<App> for ServerCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if let Some(address) = stranger(parts, app).await? {
            return Ok(Self::Stranger(address));
        }
        ProbeCaller::from_request_parts(parts, app).await.map(|ProbeCaller(probe)| Self::Probe(probe))
    }
}

impl FromRequestParts<App> for ServerLister {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        if !is_taken(parts, app)? {
            return Insider::from_request_parts(parts, app).await.map(|Insider| Self { _turn: None });
        }
        let Client(address) = Client::from_request_parts(parts, app).await?;
        Ok(Self { _turn: Some(app.readers.turn(Party::of(address)).await?) })
    }
}

/// Whether the caller shows no credential, and the hub takes that. A wrong credential is refused, because its holder expects it
/// to count.
fn is_taken(parts: &Parts, app: &App) -> Result<bool, Refusal> {
    Ok(app.discovery.is_open() && presented(&parts.headers)?.is_none())
}

/// The address of a caller without a credential that may post, if the hub takes such callers.
async fn stranger(parts: &mut Parts, app: &App) -> Result<Option<IpAddr>, Refusal> {
    if !is_taken(parts, app)? {
        return Ok(None);
    }
    Poster::from_request_parts(parts, app).await.map(|Poster(address)| Some(address))
}
