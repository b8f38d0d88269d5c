//! By what the database knows mailboxes and networks: hashes with the hub's key.

use std::net::IpAddr;

use easytier_uptime_alerts::Mailbox;
use easytier_uptime_monitor::limit;
use easytier_uptime_store::Store;
use uuid::Uuid;

use crate::service::signed::Signer;

/// The hash of a mailbox.
pub(in crate::service) fn mailbox(signer: &impl Signer, mailbox: &Mailbox) -> Uuid {
    hash(signer, "subscriptions.mailbox", &mailbox.folded())
}

/// The hash of what the mailboxes of one owner have in common.
pub(in crate::service) fn owner(signer: &impl Signer, mailbox: &Mailbox) -> Uuid {
    hash(signer, "subscriptions.owner", &mailbox.owner())
}

/// The hash of the network that an address is in, as limits count strangers.
pub(super) fn network(store: &Store, from: IpAddr) -> Uuid {
    hash(store, "subscriptions.network", &limit::site_name(from))
}

fn hash(signer: &impl Signer, purpose: &str, text: &str) -> Uuid {
    let hash = signer.sign(purpose, text.as_bytes());
    Uuid::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}
