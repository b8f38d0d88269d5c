//! Tokens and keys, and the callers that present them.

use easytier_probe::Secret;

use super::{CredentialId, ProbeId, Region, RegionId, Timestamp};

/// What a token or key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// The token of a probe, bound to one `server_id` and one region. It reads peers and reports results.
    Node,
    /// A key of a reader. It lists peers without their secrets.
    Api,
    /// A key with which a new probe gets its node token.
    Enrollment,
}

impl CredentialKind {
    /// Each kind, its name in the database and the prefix of its tokens; in the order of the variants.
    const TABLE: [(Self, &'static str, &'static str); 3] =
        [(Self::Node, "node", "etn_"), (Self::Api, "api", "eta_"), (Self::Enrollment, "enrollment", "ete_")];

    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Node, Self::Api, Self::Enrollment];

    /// The name, in the database and on the pages.
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What every token of this kind begins with.
    pub(crate) fn prefix(self) -> &'static str {
        Self::TABLE[self as usize].2
    }
}

/// A token or key as it is listed. The token itself is stored as a hash only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The id with which it can be revoked.
    pub id: CredentialId,
    /// The kind of the token or key.
    pub kind: CredentialKind,
    /// The name that the operator gave it.
    pub name: String,
    /// The probe of a node token.
    pub server_id: Option<String>,
    /// The region of a node token, or the only region of an enrollment key.
    pub region: Option<Region>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A token that was just issued. It cannot be read again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The id with which it can be revoked.
    pub id: CredentialId,
    /// The token.
    pub token: Secret,
}

/// The one probe and region that a node token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeIdentity {
    /// The probe's row.
    pub probe: ProbeId,
    /// The name under which the probe reports.
    pub server_id: String,
    /// The region's row.
    pub region_id: RegionId,
    /// The region's name.
    pub region: Region,
}

/// The owner of a presented token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A probe, by its node token.
    Probe(ProbeIdentity),
    /// A reader, by an API key.
    Api {
        /// The key's name.
        name: String,
    },
    /// A new probe, by an enrollment key.
    Enrollment {
        /// The only region in which the key enrolls probes; any region when it is `None`.
        region: Option<Region>,
    },
}
