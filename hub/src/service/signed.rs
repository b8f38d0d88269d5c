//! Signed tokens of links in messages. All hubs of a database can check them, and nobody else can make one.

use data_encoding::BASE64URL_NOPAD;
use easytier_uptime_store::Store;
use subtle::ConstantTimeEq;

use super::LinkError;

/// The length of the signature, in bytes.
const CODE: usize = 16;

/// The token that names something for a purpose.
pub(super) fn seal(store: &Store, purpose: &str, named: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&[named, &signature(store, purpose, named)].concat())
}

/// What a token names that was made for this purpose.
///
/// # Errors
///
/// [`LinkError::Wrong`] when the token is not genuine.
pub(super) fn open<const N: usize>(store: &Store, purpose: &str, token: &str) -> Result<[u8; N], LinkError> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| LinkError::Wrong)?;
    let (named, code) = bytes.split_first_chunk::<N>().ok_or(LinkError::Wrong)?;
    match bool::from(signature(store, purpose, named).as_slice().ct_eq(code)) {
        true => Ok(*named),
        false => Err(LinkError::Wrong),
    }
}

fn signature(store: &Store, purpose: &str, named: &[u8]) -> Vec<u8> {
    let mut code = store.signature(purpose, named);
    code.truncate(CODE);
    code
}
