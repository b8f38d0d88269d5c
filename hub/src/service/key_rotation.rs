//! A new key for the database of a hub: what the hub itself derives from its key.

use std::path::PathBuf;

use easytier_probe::Secret;
use easytier_uptime_alerts::Mailbox;
use easytier_uptime_store::{HubKey, KeyedTexts, MailboxHashes, StoreError, StoreOptions, domain::Timestamp};
use uuid::Uuid;

use super::{
    alerts,
    signed::sign_again,
    subscriptions::{links, mailboxes},
};

/// Encrypts everything in the database anew, with the key `new`; see [`easytier_uptime_store::rotate_key`].
///
/// # Errors
///
/// As that function.
pub async fn rotate_key(
    options: StoreOptions,
    new: &HubKey,
    is_beside: bool,
    now: Timestamp,
) -> Result<Option<PathBuf>, StoreError> {
    easytier_uptime_store::rotate_key(options, new, is_beside, &Texts, now).await
}

struct Texts;

impl KeyedTexts for Texts {
    fn mailbox(&self, key: &HubKey, address: &Secret) -> Option<MailboxHashes> {
        let mailbox = Mailbox::parse(address.expose()).ok()?;
        Some(MailboxHashes { mailbox: mailboxes::mailbox(key, &mailbox), owner: mailboxes::owner(key, &mailbox) })
    }

    fn message(&self, message: &str, old: &HubKey, new: &HubKey, mailbox: Option<(Uuid, Uuid)>) -> String {
        let Some((was, is)) = mailbox else {
            return sign_again(message, (old, new), alerts::LINK_PURPOSE, <[u8]>::to_vec);
        };
        let renamed = |named: &[u8]| if named == was.as_bytes() { is.as_bytes().to_vec() } else { named.to_vec() };
        let signed = sign_again(message, (old, new), links::PURPOSE, renamed);
        // Programs that read mails know by it what belongs together.
        signed.replace(&was.to_string(), &is.to_string())
    }
}
