//! What is known of visitors by hashes with the hub's key, and messages that wait with signed links.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{KeyedTexts, MailboxHashes};
use crate::{
    crypto::HubKey,
    db::{Tx, args},
    domain::{SubscriberId, Timestamp},
    error::StoreError,
    store::subscriptions,
};

/// The hashes of mailboxes, by the old key and by the new one.
pub(super) type Mailboxes = HashMap<SubscriberId, (Uuid, Uuid)>;

/// Hashes mailboxes anew. What is known by a hash whose mailbox is not known is forgotten: the limits of the last day, and who asked
/// not to be asked again.
pub(super) async fn hash_again(tx: &mut Tx, new: &HubKey, texts: &dyn KeyedTexts) -> Result<Mailboxes, StoreError> {
    tx.execute(subscriptions::LOCK, vec![]).await?;
    let rows: Vec<(SubscriberId, String, String, Vec<u8>)> =
        tx.all("SELECT id, mailbox, owner, address FROM subscribers ORDER BY id", vec![]).await?;
    let (mut mailboxes, mut owners) = (Mailboxes::new(), HashMap::new());
    for (id, mailbox, owner, address) in rows {
        // It was encrypted anew before.
        let hashes =
            new.open(subscriptions::ADDRESS_PLACE, &address).ok().and_then(|address| texts.mailbox(new, &address));
        let corrupt = || StoreError::Corrupt(format!("subscribers.address of {}", id.0));
        let (MailboxHashes { mailbox: hash, owner: of_owner }, known) =
            hashes.zip(mailbox.parse().ok()).ok_or_else(corrupt)?;
        let update = "UPDATE subscribers SET mailbox = $2, owner = $3 WHERE id = $1";
        tx.execute(update, args![id, hash.to_string(), of_owner.to_string()]).await?;
        mailboxes.insert(id, (known, hash));
        owners.insert(owner, of_owner.to_string());
    }
    let quiet: BTreeMap<String, Timestamp> =
        tx.all::<(String, Timestamp)>("SELECT owner, until FROM quiet_mailboxes", vec![]).await?.into_iter().collect();
    tx.execute("DELETE FROM quiet_mailboxes", vec![]).await?;
    for (owner, until) in quiet {
        if let Some(owner) = owners.get(&owner) {
            let insert = "INSERT INTO quiet_mailboxes (owner, until) VALUES ($1, $2)";
            tx.execute(insert, args![owner.as_str(), until]).await?;
        }
    }
    tx.execute("DELETE FROM subscription_requests", vec![]).await?;
    Ok(mailboxes)
}

/// Signs the links of messages that wait.
pub(super) async fn sign_again(
    tx: &mut Tx,
    old: &HubKey,
    new: &HubKey,
    texts: &dyn KeyedTexts,
    mailboxes: &Mailboxes,
) -> Result<(), StoreError> {
    let select = "SELECT seq, message FROM alert_deliveries WHERE state = 'waiting'";
    for (seq, message) in tx.all::<(i64, String)>(select, vec![]).await? {
        let message = texts.message(&message, old, new, None);
        tx.execute("UPDATE alert_deliveries SET message = $2 WHERE seq = $1", args![seq, message]).await?;
    }
    let select = "SELECT seq, subscriber_id, message FROM subscription_mails";
    for (seq, to, message) in tx.all::<(i64, SubscriberId, String)>(select, vec![]).await? {
        let message = texts.message(&message, old, new, mailboxes.get(&to).copied());
        tx.execute("UPDATE subscription_mails SET message = $2 WHERE seq = $1", args![seq, message]).await?;
    }
    Ok(())
}
