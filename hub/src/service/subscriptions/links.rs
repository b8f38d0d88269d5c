//! Signed links in mails to visitors. A link names the mailbox that the mail goes to, so whoever has it reads that mailbox, or got
//! the mail from who does. It never ends, because a mail that is years old can still be unsubscribed.

use easytier_probe::backend::BaseUrl;
use easytier_uptime_store::Store;
use url::Url;
use uuid::Uuid;

use crate::service::{LinkError, signed};

/// The purpose of the signature.
pub(in crate::service) const PURPOSE: &str = "subscriptions.link";

/// The page that shows what a mailbox subscribed to.
pub(crate) fn manage_url(store: &Store, public_url: &BaseUrl, mailbox: Uuid) -> Url {
    with_token(public_url.join("/subscriptions"), store, mailbox)
}

/// The same page, to which a POST ends all subscriptions of the mailbox (RFC 8058).
pub(crate) fn unsubscribe_url(store: &Store, public_url: &BaseUrl, mailbox: Uuid) -> Url {
    with_token(public_url.join("/subscriptions/unsubscribe"), store, mailbox)
}

fn with_token(mut url: Url, store: &Store, mailbox: Uuid) -> Url {
    url.query_pairs_mut().append_pair("token", &signed::seal(store, PURPOSE, mailbox.as_bytes()));
    url
}

/// The hash of the mailbox that a token names.
///
/// # Errors
///
/// When the token is not genuine.
pub(super) fn read(store: &Store, token: &str) -> Result<Uuid, LinkError> {
    signed::open(store, PURPOSE, token).map(Uuid::from_bytes)
}
