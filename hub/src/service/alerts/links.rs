//! Signed links in messages. Who has the link of a message may say that they know of what it is about, or mute that for a
//! while. A link is for one message and ends after [`LINK_LIFETIME`]; all hubs of the database can check it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use easytier_uptime_store::{
    Store,
    domain::{DAY, Timestamp},
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::service::LinkError;

/// How long a link can be used.
pub const LINK_LIFETIME: Duration = Duration::from_secs(14 * DAY.as_secs());

/// The purpose of the signature.
const PURPOSE: &str = "alerts.link";

/// The lengths of the parts of a token: the id of the message, the end in seconds since 1970, the signature.
const ID: usize = 16;
const END: usize = 8;
const CODE: usize = 16;

/// The token in the link of a message that is made `now`.
pub(crate) fn token(store: &Store, message: Uuid, now: Timestamp) -> String {
    let end = (now + LINK_LIFETIME).0 / 1000;
    let named = [message.as_bytes().as_slice(), &end.to_be_bytes()].concat();
    let code = signature(store, &named);
    BASE64URL_NOPAD.encode(&[named, code].concat())
}

/// The id of the message that a token is for.
///
/// # Errors
///
/// When the token is not genuine, or has ended.
pub(super) fn read(store: &Store, token: &str, now: Timestamp) -> Result<Uuid, LinkError> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| LinkError::Wrong)?;
    if bytes.len() != ID + END + CODE {
        return Err(LinkError::Wrong);
    }
    let (named, code) = bytes.split_at_checked(ID + END).ok_or(LinkError::Wrong)?;
    if !bool::from(signature(store, named).ct_eq(code)) {
        return Err(LinkError::Wrong);
    }
    let (id, end) = named.split_first_chunk::<ID>().ok_or(LinkError::Wrong)?;
    let end = end.first_chunk::<END>().ok_or(LinkError::Wrong)?;
    match now.0 / 1000 < i64::from_be_bytes(*end) {
        true => Ok(Uuid::from_bytes(*id)),
        false => Err(LinkError::Expired),
    }
}

fn signature(store: &Store, named: &[u8]) -> Vec<u8> {
    let mut code = store.signature(PURPOSE, named);
    code.truncate(CODE);
    code
}
