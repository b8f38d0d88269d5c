//! The admin's login. A session's token is random text; the store keeps only its hash.

use std::{net::IpAddr, sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use easytier_probe::Secret;
use easytier_uptime_monitor::limit::{Address, Limit};
use easytier_uptime_store::{
    Session, SessionId, Store, StoreError, acting,
    domain::{ActorKind, AuthFailure, DAY, Timestamp},
    random,
};

use super::{ServiceError, familiar::Familiar, password};

/// How long a session lasts.
const LIFETIME: Duration = DAY;

const PER_MINUTE: Duration = Duration::from_secs(60);

/// The length of a token: 256 bits in base64url.
const TOKEN_LEN: usize = 43;

/// A new session.
#[derive(Debug)]
pub struct NewSession {
    /// The token. It cannot be read again later.
    pub token: Secret,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// The time from now until the session ends.
    pub lifetime: Duration,
}

/// The admin's sessions. Logins are limited per caller, because each takes tens of milliseconds of CPU time. Addresses from
/// which the admin logged in have a limit of their own, so that strangers cannot keep the admin out.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    strangers: Arc<Limit>,
    familiar: Arc<Familiar<Address>>,
    familiar_ones: Arc<Limit>,
}

/// A login that the limits permit.
#[derive(Debug)]
pub struct LoginAttempt {
    from: IpAddr,
}

impl Sessions {
    /// The sessions in `store`.
    pub fn new(store: Store) -> Self {
        let limit = || Arc::new(Limit::new(PER_MINUTE, 10, 120));
        Self { store, strangers: limit(), familiar: Arc::default(), familiar_ones: limit() }
    }

    /// Asks the limits for a login, before anything of it is read. `from`: the caller's address.
    ///
    /// # Errors
    ///
    /// When the caller tried too often.
    pub fn admit(&self, from: IpAddr) -> Result<LoginAttempt, ServiceError> {
        let is_familiar = self.familiar.contains(Address::of(from));
        let limit = if is_familiar { &self.familiar_ones } else { &self.strangers };
        limit.check(from).map(|()| LoginAttempt { from }).map_err(ServiceError::from)
    }

    /// Begins a session of 24 hours.
    ///
    /// # Errors
    ///
    /// When the password is wrong, too many callers try at the same time, or the database fails.
    pub async fn log_in(&self, attempt: LoginAttempt, password: &Secret) -> Result<NewSession, ServiceError> {
        let LoginAttempt { from } = attempt;
        if !password::matches(&self.store, password).await? {
            tracing::warn!(address = %from, "login with a wrong password");
            acting::fails(AuthFailure::Password);
            return Err(ServiceError::WrongPassword);
        }
        self.remember(from);
        let token = Secret::from(BASE64URL_NOPAD.encode(&random::<32>()));
        let id = SessionId::of(token.expose());
        acting::acts_as(ActorKind::Admin, id.short());
        let session = self.store.start_session(id, LIFETIME, Timestamp::now()).await?;
        Ok(NewSession { token, expires_at: session.expires_at, lifetime: LIFETIME })
    }

    /// Notes that a request with a valid session came from this address.
    pub fn remember(&self, address: IpAddr) {
        self.familiar.remember(Address::of(address));
    }

    /// The session of a token, unless it has expired or was ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn find(&self, token: &str) -> Result<Option<Session>, StoreError> {
        // Tokens of probes are longer, so they need no query.
        if token.len() != TOKEN_LEN {
            return Ok(None);
        }
        self.store.session(SessionId::of(token), Timestamp::now()).await
    }

    /// Ends a session: its token is no longer valid.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn log_out(&self, session: &Session) -> Result<(), StoreError> {
        self.store.end_session(session.id).await
    }
}
