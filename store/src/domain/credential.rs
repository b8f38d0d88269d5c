//! Tokens and keys, and the callers that present them.

use std::collections::BTreeSet;

use easytier_probe::Secret;

use super::{CredentialId, ProbeId, Region, RegionId, Registration, Scope, Timestamp};

/// What a token or key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// The token of a probe, bound to one `server_id` and one region. It reads peers and reports results.
    Node,
    /// A key of a program. It may do what its scopes permit.
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

    /// The kind that a token says to be of, which its holder may have invented.
    pub fn of_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| token.starts_with(kind.prefix()))
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
    /// What an API key may do; empty for other kinds.
    pub scopes: BTreeSet<Scope>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it ends by itself; never when it is `None`.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to within some minutes.
    pub last_used_at: Option<Timestamp>,
    /// Of an enrollment key: how many probes it may enroll; any number when it is `None`.
    pub max_uses: Option<u32>,
    /// Of an enrollment key: how many probes it has enrolled.
    pub uses: u32,
}

impl Credential {
    /// Why it is not accepted at `now`; `None` while it is.
    pub fn lapsed(&self, now: Timestamp) -> Option<Lapsed> {
        if let Some(at) = self.revoked_at {
            return Some(Lapsed::Revoked { at });
        }
        match (self.expires_at, self.max_uses) {
            (Some(at), _) if at <= now => Some(Lapsed::Expired { at }),
            (_, Some(max)) if self.uses >= max => Some(Lapsed::UsedUp { max }),
            _ => None,
        }
    }
}

/// Why a token or key that was issued is no longer accepted. Only its holder and the operator are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lapsed {
    /// The operator revoked it.
    #[error("the token or key was revoked at {at}; ask the operator of the hub for another one")]
    Revoked {
        /// When.
        at: Timestamp,
    },
    /// Its time is over.
    #[error("the token or key expired at {at}; ask the operator of the hub for another one")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is an enrollment key that has enrolled as many probes as it may.
    #[error(
        "the enrollment key is used up: it has enrolled {max} of {max} probes; ask the operator of the hub for another one"
    )]
    UsedUp {
        /// How many probes it may enroll.
        max: u32,
    },
}

/// The limits of a new enrollment key.
#[derive(Debug, Clone, Default)]
pub struct EnrollmentLimits {
    /// The only region in which the key enrolls probes; any region when it is `None`.
    pub region: Option<Region>,
    /// How many probes it may enroll; any number when it is `None`.
    pub max_uses: Option<u32>,
    /// When it ends by itself; never when it is `None`.
    pub expires_at: Option<Timestamp>,
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
    /// A program, by an API key.
    Api {
        /// The key's name.
        name: String,
        /// What it may do.
        scopes: BTreeSet<Scope>,
    },
    /// A new probe, by an enrollment key.
    Enrollment(EnrollmentKey),
}

/// An enrollment key that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentKey {
    /// The key's row.
    pub id: CredentialId,
    /// The only region in which the key enrolls probes; any region when it is `None`.
    pub region: Option<Region>,
}

/// A probe that enrolls.
#[derive(Debug, Clone, Copy)]
pub struct NewProbe<'a> {
    /// The probe's own id.
    pub server_id: &'a str,
    /// Its region.
    pub region: &'a Region,
    /// What it declares about itself.
    pub registration: &'a Registration,
    /// The node token that the probe made and keeps; `None` when the hub makes one. With a token of its own a probe can repeat
    /// an enrollment whose answer was lost.
    pub token: Option<&'a NodeToken>,
}

/// A node token that a probe made itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeToken(pub(crate) Secret);

/// The text does not have the form of a node token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node token is etn_, 16 hexadecimal digits in lower case, _, and 43 characters of base64url")]
pub struct NodeTokenError;

impl NodeToken {
    const LOOKUP: usize = 16;
    const RANDOM: usize = 43;

    /// Reads a token of the form that the hub's own tokens have.
    ///
    /// # Errors
    ///
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<Self, NodeTokenError> {
        let parts = text.strip_prefix(CredentialKind::Node.prefix()).and_then(|rest| rest.split_once('_'));
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match parts {
            Some((lookup, random))
                if lookup.len() == Self::LOOKUP
                    && random.len() == Self::RANDOM
                    && lookup.bytes().all(is_hex)
                    && random.bytes().all(is_base64url) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(NodeTokenError),
        }
    }

    /// The public part, by which its row is found.
    pub(crate) fn lookup(&self) -> &str {
        let text = self.0.expose();
        let start = CredentialKind::Node.prefix().len();
        text.get(start..start + Self::LOOKUP).unwrap_or_default()
    }

    /// The token.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_token_has_the_form_that_the_hub_issues() {
        let random = "A".repeat(43);
        let token = format!("etn_0123456789abcdef_{random}");
        assert_eq!(NodeToken::parse(&token).unwrap().secret().expose(), token);
        for wrong in [
            "",
            "etn_",
            &token[..token.len() - 1],
            &format!("{token}A"),
            &token.replace("etn_", "eta_"),
            &token.replace("abcdef", "ABCDEF"),
            &token.replace("AAA", "A/A"),
            &format!("etn_0123456789abcde_{random}A"),
        ] {
            assert_eq!(NodeToken::parse(wrong), Err(NodeTokenError), "{wrong}");
        }
    }
}
