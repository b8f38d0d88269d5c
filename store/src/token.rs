//! Tokens and keys: random text that is shown once and kept as a hash.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use easytier_probe::Secret;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::crypto::random;

/// What a token or key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A probe's: it reports and reads for one `server_id` and one region.
    Node,
    /// A reader's: lists peers, sees no secrets.
    Api,
    /// Gets a new probe its node token.
    Enrollment,
}

impl CredentialKind {
    /// The kinds, their name in the database and the prefix of their tokens.
    const TABLE: [(Self, &'static str, &'static str); 3] =
        [(Self::Node, "node", "etn_"), (Self::Api, "api", "eta_"), (Self::Enrollment, "enrollment", "ete_")];

    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn prefix(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        &Self::TABLE[self as usize]
    }
}

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenHash {
    /// The public part, by which the row is found.
    pub lookup: String,
    /// SHA-256 of the whole token.
    pub hash: [u8; 32],
}

const LOOKUP_LEN: usize = 16;

/// A new token, `<kind>_<lookup>_<256 random bits>`, and what to keep of it.
pub(crate) fn issue(kind: CredentialKind) -> (Secret, TokenHash) {
    let lookup = HEXLOWER.encode(&random::<{ LOOKUP_LEN / 2 }>());
    let token = format!("{}{lookup}_{}", kind.prefix(), BASE64URL_NOPAD.encode(&random::<32>()));
    let hash = hash(&token);
    (token.into(), TokenHash { lookup, hash })
}

/// The lookup part of a presented token; `None` when it cannot be one of ours.
pub(crate) fn lookup(presented: &str) -> Option<&str> {
    let rest = CredentialKind::TABLE.iter().find_map(|row| presented.strip_prefix(row.2))?;
    let (lookup, _) = rest.split_once('_')?;
    (lookup.len() == LOOKUP_LEN && lookup.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(lookup)
}

/// Whether `presented` is the token that `kept` was made of, in a time that does not depend on where they differ.
pub(crate) fn matches(presented: &str, kept: &[u8]) -> bool {
    hash(presented).as_slice().ct_eq(kept).into()
}

fn hash(token: &str) -> [u8; 32] {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_own_hash_only() {
        for (kind, ..) in CredentialKind::TABLE {
            let (token, kept) = issue(kind);
            assert_eq!(lookup(token.expose()), Some(kept.lookup.as_str()));
            assert!(matches(token.expose(), &kept.hash));
            assert!(!matches(&format!("{}x", token.expose()), &kept.hash));
            assert!(!matches(issue(kind).0.expose(), &kept.hash));
            assert!(!matches(token.expose(), &kept.hash[..31]));
            assert_eq!(CredentialKind::from_name(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn what_cannot_be_a_token_has_no_lookup() {
        for text in ["", "etn_", "etn_0123456789abcdef", "etn_short_x", "etn_' OR 1=1 --__", "xyz_0123456789abcdef_a"] {
            assert_eq!(lookup(text), None, "{text}");
        }
    }
}
