//! Tokens and keys: random text of which the database keeps a hash.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use easytier_probe::Secret;
use ring::digest::{Digest, SHA256, digest};
use subtle::ConstantTimeEq;

use crate::{
    crypto::random,
    domain::{CredentialKind, NodeToken},
};

/// The part of a token that the database keeps.
#[derive(Debug, Clone)]
pub(crate) struct TokenHash {
    /// The public part, by which the row is found.
    pub lookup: String,
    /// SHA-256 of the whole token.
    pub hash: Digest,
}

const LOOKUP_LEN: usize = 16;

/// What every token of an instance begins with. No kind of credential has it, so that such a token is accepted as none.
const INSTANCE_PREFIX: &str = "eti_";

/// A new token, `<kind>_<lookup>_<256 random bits>`, and its hash.
pub(crate) fn issue(kind: CredentialKind) -> (Secret, TokenHash) {
    issue_with(kind.prefix())
}

/// A new token of an instance, and its hash.
pub(crate) fn issue_for_instance() -> (Secret, TokenHash) {
    issue_with(INSTANCE_PREFIX)
}

fn issue_with(prefix: &str) -> (Secret, TokenHash) {
    let lookup = HEXLOWER.encode(&random::<{ LOOKUP_LEN / 2 }>());
    let token = format!("{prefix}{lookup}_{}", BASE64URL_NOPAD.encode(&random::<32>()));
    let hash = hash(&token);
    (token.into(), TokenHash { lookup, hash })
}

impl NodeToken {
    /// A new random token, for a probe that makes its own.
    pub fn generate() -> Self {
        Self(issue(CredentialKind::Node).0)
    }
}

/// The hash of a token that a probe made.
pub(crate) fn hash_of(token: &NodeToken) -> TokenHash {
    TokenHash { lookup: token.lookup().to_owned(), hash: hash(token.secret().expose()) }
}

/// The public part of a presented token; `None` when the text does not have the form of a token.
pub(crate) fn lookup(presented: &str) -> Option<&str> {
    lookup_in(CredentialKind::ALL.into_iter().find_map(|kind| presented.strip_prefix(kind.prefix()))?)
}

/// The public part of a presented token of an instance; `None` when the text does not have the form of one.
pub(crate) fn instance_lookup(presented: &str) -> Option<&str> {
    lookup_in(presented.strip_prefix(INSTANCE_PREFIX)?)
}

fn lookup_in(rest: &str) -> Option<&str> {
    let (lookup, _) = rest.split_once('_')?;
    (lookup.len() == LOOKUP_LEN && lookup.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(lookup)
}

/// Whether `presented` has the hash `stored`. The time that this takes does not depend on where they differ.
pub(crate) fn matches(presented: &str, stored: &[u8]) -> bool {
    equal(hash(presented).as_ref(), stored)
}

/// Whether two hashes are equal, in constant time.
pub(crate) fn equal(hash: &[u8], stored: &[u8]) -> bool {
    hash.ct_eq(stored).into()
}

fn hash(token: &str) -> Digest {
    digest(&SHA256, token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_own_hash_only() {
        for kind in CredentialKind::ALL {
            let (token, TokenHash { lookup: public, hash }) = issue(kind);
            assert_eq!(lookup(token.expose()), Some(public.as_str()));
            assert!(matches(token.expose(), hash.as_ref()));
            assert!(!matches(&format!("{}x", token.expose()), hash.as_ref()));
            assert!(!matches(issue(kind).0.expose(), hash.as_ref()));
            assert!(!matches(token.expose(), &hash.as_ref()[..31]));
            assert_eq!(CredentialKind::from_name(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_token_that_a_probe_makes_has_the_form_of_the_hubs_own() {
        let own = NodeToken::generate();
        assert_eq!(NodeToken::parse(own.secret().expose()).as_ref(), Ok(&own));
        assert_ne!(NodeToken::generate(), own);
    }

    #[test]
    fn text_without_the_form_of_a_token_has_no_lookup() {
        for text in ["", "etn_", "etn_0123456789abcdef", "etn_short_x", "etn_' OR 1=1 --__", "xyz_0123456789abcdef_a"] {
            assert_eq!(lookup(text), None, "{text}");
        }
    }
}
