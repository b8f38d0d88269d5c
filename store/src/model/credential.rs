//! Who may do what.

use easytier_probe::Secret;

use super::{CredentialId, ProbeId, Region, RegionId};
use crate::{time::Timestamp, token::CredentialKind};

/// A token or key as it is listed: all but the token itself, which nobody can show again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: CredentialId,
    pub kind: CredentialKind,
    pub name: String,
    /// Of a node token.
    pub server_id: Option<String>,
    /// Of a node token, and of an enrollment key that is for one region only.
    pub region: Option<Region>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// A token that was just made; shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub id: CredentialId,
    pub token: Secret,
}

/// The one probe and region that a node token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeIdentity {
    pub probe: ProbeId,
    pub server_id: String,
    pub region_id: RegionId,
    pub region: Region,
}

/// Whom a presented token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Probe(ProbeIdentity),
    Api {
        name: String,
    },
    /// `region`: the only one that the key enrolls for, when it has one.
    Enrollment {
        region: Option<Region>,
    },
}
