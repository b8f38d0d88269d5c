//! Signed links in messages. Who has the link of a message may say that they know of what it is about, or mute that for a
//! while. A link is for one message and ends after [`LINK_LIFETIME`]; all hubs of the database can check it.

use std::time::Duration;

use easytier_uptime_store::{
    Store,
    domain::{DAY, Timestamp},
};
use uuid::Uuid;

use crate::service::{LinkError, signed};

/// How long a link can be used.
pub const LINK_LIFETIME: Duration = Duration::from_secs(14 * DAY.as_secs());

/// The purpose of the signature.
pub(crate) const PURPOSE: &str = "alerts.link";

/// The lengths of what a token names: the id of the message, and the end in seconds since 1970.
const ID: usize = 16;
const END: usize = 8;

/// The token in the link of a message that is made `now`.
pub(crate) fn token(store: &Store, message: Uuid, now: Timestamp) -> String {
    let end = (now + LINK_LIFETIME).0 / 1000;
    signed::seal(store, PURPOSE, &[message.as_bytes().as_slice(), &end.to_be_bytes()].concat())
}

/// The id of the message that a token is for.
///
/// # Errors
///
/// When the token is not genuine, or has ended.
pub(super) fn read(store: &Store, token: &str, now: Timestamp) -> Result<Uuid, LinkError> {
    let named: [u8; ID + END] = signed::open(store, PURPOSE, token)?;
    let (id, end) = named.split_first_chunk::<ID>().ok_or(LinkError::Wrong)?;
    let end = end.first_chunk::<END>().ok_or(LinkError::Wrong)?;
    match now.0 / 1000 < i64::from_be_bytes(*end) {
        true => Ok(Uuid::from_bytes(*id)),
        false => Err(LinkError::Expired),
    }
}
