//! Use cases of the operator: tokens and keys.
//!
//! An enrollment key is a password that many machines share and that makes new probes, which have a say in every verdict. So
//! it ends by itself, after a few days and a few probes, and is for one region, unless the operator says otherwise. A node
//! token or an API key that ended by itself would stop something that works, so these end only when the operator says so.

use std::{collections::BTreeSet, time::Duration};

use easytier_uptime_store::domain::{
    Credential, CredentialId, CredentialKind, DAY, EnrollmentLimits, IssuedToken, Region, Scope, Timestamp,
};

use super::{Admin, FieldError, FieldProblem, ServiceError, line};

/// How many probes an enrollment key enrolls, unless the operator says otherwise.
pub const ENROLLMENT_USES: u32 = 10;

/// How long an enrollment key is valid, unless the operator says otherwise.
pub const ENROLLMENT_LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());

/// The largest number of probes for which an enrollment key may be limited.
pub const MAX_USES: u32 = 100_000;

/// The longest time for which a token or key may be limited, in days.
pub const MAX_DAYS: u32 = 3650;

/// A limit of a new token or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyLimit<T> {
    /// The usual one of the kind.
    #[default]
    Usual,
    /// None.
    Unlimited,
    /// This one.
    At(T),
}

impl<T> KeyLimit<T> {
    /// The limit, of which `usual` is the usual one.
    fn or(self, usual: Option<T>) -> Option<T> {
        match self {
            Self::Usual => usual,
            Self::Unlimited => None,
            Self::At(limit) => Some(limit),
        }
    }
}

/// A token or key to create.
#[derive(Debug, Clone)]
pub struct CredentialRequest {
    /// The kind of the token or key.
    pub kind: CredentialKind,
    /// The name in lists: 1 to [`MAX_NAME`](super::MAX_NAME) characters in one line.
    pub name: String,
    /// For a node token: the probe's own id. If it is `None`, the token takes the id under which the probe first reports.
    pub server_id: Option<String>,
    /// For a node token: the probe's region, `default` if it is `None`. For an enrollment key: the only region in which it
    /// enrolls probes.
    pub region: Option<Region>,
    /// For an enrollment key without a region: whether it is for any region. Without either it is refused.
    pub any_region: bool,
    /// How long it is valid. Usually an enrollment key for [`ENROLLMENT_LIFETIME`], and the others until they are revoked.
    pub lifetime: KeyLimit<Duration>,
    /// For an enrollment key: how many probes it enrolls, usually [`ENROLLMENT_USES`].
    pub uses: KeyLimit<u32>,
    /// For an API key: what it may do.
    pub scopes: BTreeSet<Scope>,
}

impl CredentialRequest {
    /// A request without a region, with the usual limits, and with the scope `read`.
    pub fn new(kind: CredentialKind, name: impl Into<String>) -> Self {
        let (lifetime, uses) = (KeyLimit::Usual, KeyLimit::Usual);
        let scopes = [Scope::Read].into();
        Self { kind, name: name.into(), server_id: None, region: None, any_region: false, lifetime, uses, scopes }
    }
}

impl Admin {
    /// Creates a token or key. The token is returned only here; it cannot be read again.
    ///
    /// # Errors
    ///
    /// When the name is not valid, an enrollment key has no region and is not for any, a probe of this `server_id` is in
    /// another region, or the database fails.
    pub async fn issue(&self, request: CredentialRequest) -> Result<IssuedToken, ServiceError> {
        let CredentialRequest { kind, name, server_id, region, any_region, lifetime, uses, scopes } = request;
        let (name, now) = (&line::name(&name)?, Timestamp::now());
        let ends = |usual: Option<Duration>| lifetime.or(usual).map(|lifetime| now + lifetime);
        let issued = match kind {
            CredentialKind::Node => {
                let region = region.unwrap_or_default();
                self.store.create_temporary_node_token(name, server_id.as_deref(), &region, ends(None), now).await
            }
            CredentialKind::Api => self.store.create_scoped_api_key(name, &scopes, ends(None), now).await,
            CredentialKind::Enrollment => {
                if region.is_none() && !any_region {
                    return Err(FieldError::new("region", FieldProblem::NoRegion).into());
                }
                let max_uses = uses.or(Some(ENROLLMENT_USES));
                let limits = EnrollmentLimits { region, max_uses, expires_at: ends(Some(ENROLLMENT_LIFETIME)) };
                self.store.create_enrollment_key(name, &limits, now).await
            }
        };
        Ok(issued?)
    }

    /// The tokens or keys of a kind, including revoked ones, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(&self, kind: CredentialKind) -> Result<Vec<Credential>, ServiceError> {
        Ok(self.store.credentials(kind).await?)
    }

    /// Revokes a token or key, at once and for ever.
    ///
    /// # Errors
    ///
    /// When there is no such credential or it is revoked already, or the database fails.
    pub async fn revoke(&self, kind: CredentialKind, id: CredentialId) -> Result<(), ServiceError> {
        Ok(self.store.revoke_credential(kind, id, Timestamp::now()).await?)
    }
}
