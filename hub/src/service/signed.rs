//! Signed tokens of links in messages. All hubs of a database can check them, and nobody else can make one.

use data_encoding::BASE64URL_NOPAD;
use easytier_uptime_store::{HubKey, Store};
use subtle::ConstantTimeEq;

use super::LinkError;

/// The length of the signature, in bytes.
const CODE: usize = 16;

/// Who signs: the hubs of a database with their key.
pub(super) trait Signer {
    /// The signature of `data` for a purpose.
    fn sign(&self, purpose: &str, data: &[u8]) -> Vec<u8>;
}

impl Signer for Store {
    fn sign(&self, purpose: &str, data: &[u8]) -> Vec<u8> {
        self.signature(purpose, data)
    }
}

impl Signer for HubKey {
    fn sign(&self, purpose: &str, data: &[u8]) -> Vec<u8> {
        self.keyed_hash(purpose, data)
    }
}

/// The token that names something for a purpose.
pub(super) fn seal(signer: &impl Signer, purpose: &str, named: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&[named, &signature(signer, purpose, named)].concat())
}

/// A text in which each link with a token that `old` signed for this purpose has one that `new` signs, and that names what `renamed`
/// makes of what the old one names.
pub(super) fn sign_again(
    text: &str,
    (old, new): (&impl Signer, &impl Signer),
    purpose: &str,
    renamed: impl Fn(&[u8]) -> Vec<u8>,
) -> String {
    const BEFORE: &str = "token=";
    let is_of_token = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    let mut parts = text.split(BEFORE);
    let mut signed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (token, rest) = part.split_at(part.find(|one| !is_of_token(one)).unwrap_or(part.len()));
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap_or_default();
        let named = bytes.split_at_checked(bytes.len().saturating_sub(CODE));
        let genuine = named.filter(|(named, code)| signature(old, purpose, named) == *code);
        let again = genuine.map(|(named, _)| seal(new, purpose, &renamed(named)));
        signed += BEFORE;
        signed += again.as_deref().unwrap_or(token);
        signed += rest;
    }
    signed
}

/// What a token names that was made for this purpose.
///
/// # Errors
///
/// [`LinkError::Wrong`] when the token is not genuine.
pub(super) fn open<const N: usize>(signer: &impl Signer, purpose: &str, token: &str) -> Result<[u8; N], LinkError> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| LinkError::Wrong)?;
    let (named, code) = bytes.split_first_chunk::<N>().ok_or(LinkError::Wrong)?;
    match bool::from(signature(signer, purpose, named).as_slice().ct_eq(code)) {
        true => Ok(*named),
        false => Err(LinkError::Wrong),
    }
}

fn signature(signer: &impl Signer, purpose: &str, named: &[u8]) -> Vec<u8> {
    let mut code = signer.sign(purpose, named);
    code.truncate(CODE);
    code
}
