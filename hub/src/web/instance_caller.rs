//! Who calls the synchronisation API: an instance by its token, whoever knows `SYNC_SECRET`, the admin, or a program by an API key
//! with the scope `instances`.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use easytier_uptime_monitor::{Caller, Refusal, bearer, limit::Limit};
use easytier_uptime_store::{
    StoreError, acting,
    domain::{ActorKind, Caller as Owner, InstanceId, Scope, Timestamp},
};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use super::{App, SyncError, credentials::no_scope, recognise::recognise, session};
use crate::service::SyncRefusal;

/// How many wrong secrets and tokens one address may present in a minute, and all together. Right ones are always accepted:
/// behind a proxy, somebody else's wrong ones must not keep an instance away.
pub(super) fn limit_of_wrong_secrets() -> Limit {
    Limit::new(Duration::from_secs(60), 10, 1000)
}

/// The caller of the synchronisation API, at an instance that belongs to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncCaller {
    /// An instance, by its own token.
    Instance(InstanceId),
    /// Whoever knows the secret of the cluster.
    Secret,
    /// The admin.
    Admin,
    /// A program, by an API key with the scope `instances`.
    Key,
}

impl SyncCaller {
    /// The instance; others are refused.
    pub fn instance(self) -> Result<InstanceId, SyncRefusal> {
        match self {
            Self::Instance(id) => Ok(id),
            Self::Secret | Self::Admin | Self::Key => Err(SyncRefusal::forbidden("the token of an instance is needed")),
        }
    }

    /// Refuses everybody but the admin, and programs to which the admin gave a key for it.
    pub fn operator(self) -> Result<(), SyncRefusal> {
        match self {
            Self::Admin | Self::Key => Ok(()),
            Self::Instance(_) | Self::Secret => {
                Err(SyncRefusal::forbidden("only the admin, or an API key with the scope 'instances', may do that"))
            }
        }
    }

    /// Refuses an API key, which is for changes only.
    pub fn reader(self) -> Result<(), SyncRefusal> {
        match self {
            Self::Admin | Self::Instance(_) | Self::Secret => Ok(()),
            Self::Key => Err(SyncRefusal::forbidden("an API key does not read this")),
        }
    }
}

impl FromRequestParts<App> for SyncCaller {
    type Rejection = SyncError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, SyncError> {
        app.instances.require_cluster().await?;
        let presented = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        if let Some(token) = presented {
            let known = match app.instances.secret().is_some_and(|secret| same(secret.expose(), token)) {
                true => Some(Self::Secret),
                false => app.instances.of_token(token).await?.map(Self::Instance),
            };
            let known = match known {
                Some(caller) => Some(caller),
                None => key(app, token).await?,
            };
            if let Some(caller) = known {
                match caller {
                    Self::Instance(id) => acting::acts_as(ActorKind::Instance, id.to_string()),
                    Self::Secret => acting::acts_as(ActorKind::ClusterSecret, ""),
                    Self::Admin | Self::Key => {}
                }
                recognise(parts);
                return Ok(caller);
            }
        }
        if session::find(parts, &app.sessions).await?.is_some() {
            return Ok(Self::Admin);
        }
        if let Some(Caller(address)) = parts.extensions.get().filter(|_| presented.is_some()) {
            app.wrong_secrets.check(*address).map_err(Refusal::from)?;
        }
        Err(SyncRefusal::unauthorized().into())
    }
}

/// The caller of a route that only the primary serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallerOfPrimary(pub SyncCaller);

impl FromRequestParts<App> for CallerOfPrimary {
    type Rejection = SyncError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, SyncError> {
        let caller = SyncCaller::from_request_parts(parts, app).await?;
        app.instances.require_primary().await?;
        Ok(Self(caller))
    }
}

/// The program of a presented API key; `None` when the token is no API key.
async fn key(app: &App, token: &str) -> Result<Option<SyncCaller>, SyncRefusal> {
    match app.store.authenticate(token, Timestamp::now()).await {
        Ok(Some(Owner::Api { scopes, name })) => {
            acting::acts_as(ActorKind::Key, name);
            match scopes.contains(&Scope::Instances) {
                true => Ok(Some(SyncCaller::Key)),
                false => Err(SyncRefusal::forbidden(no_scope(Scope::Instances).message)),
            }
        }
        // A key that was revoked or has expired is as good as none.
        Ok(_) | Err(StoreError::Lapsed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Compares in constant time. The hashes have one length, whatever was presented.
fn same(secret: &str, presented: &str) -> bool {
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    hash(secret).as_ref().ct_eq(hash(presented).as_ref()).into()
}
