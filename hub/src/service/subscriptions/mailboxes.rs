//! By what the database knows mailboxes and networks: hashes with the hub's key.

use std::net::IpAddr;

use easytier_uptime_alerts::Mailbox;
use easytier_uptime_monitor::limit;
use easytier_uptime_store::Store;
use uuid::Uuid;

/// The hash of a mailbox.
pub(super) fn mailbox(store: &Store, mailbox: &Mailbox) -> Uuid {
    hash(store, "subscriptions.mailbox", &mailbox.folded())
}

/// The hash of what the mailboxes of one owner have in common.
pub(super) fn owner(store: &Store, mailbox: &Mailbox) -> Uuid {
    hash(store, "subscriptions.owner", &mailbox.owner())
}

/// The hash of the network that an address is in, as limits count strangers.
pub(super) fn network(store: &Store, from: IpAddr) -> Uuid {
    hash(store, "subscriptions.network", &limit::site_name(from))
}

fn hash(store: &Store, purpose: &str, text: &str) -> Uuid {
    let hash = store.signature(purpose, text.as_bytes());
    Uuid::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}
