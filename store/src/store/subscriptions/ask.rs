//! Asking for mails. The limits that protect mailboxes are kept here, so that neither a restart nor another hub resets them.

use super::{ADDRESS_PLACE, LOCK};
use crate::{
    db::{Tx, args, sql, work},
    domain::{DAY, SubscriberId, SubscriptionLimits, SubscriptionRequest, Timestamp},
    error::StoreError,
    store::{Store, edits, watched::is_watched},
};

impl Store {
    /// Notes that somebody asks for mails about a node, and puts a mail into the outbox that asks who reads the mailbox; not when a
    /// limit is reached, or the owner was asked a while ago: then the link in that mail also shows this node. Returns whether a mail
    /// will be sent, which nobody who asks may learn.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the node is not listed; otherwise when this instance takes no edits or the database fails.
    pub async fn ask_for_subscription(
        &self,
        request: &SubscriptionRequest,
        limits: &SubscriptionLimits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let address = &self.shared.key.seal(ADDRESS_PLACE, &request.address);
        self.db().transaction(|tx| work(ask(tx, request, address, limits, now))).await
    }
}

async fn ask(
    tx: &mut Tx,
    request: &SubscriptionRequest,
    address: &[u8],
    limits: &SubscriptionLimits,
    now: Timestamp,
) -> Result<bool, StoreError> {
    edits::allow(tx).await?.skip();
    let listed = sql!("SELECT p.id FROM peers p WHERE p.id = $1 AND ", (is_watched));
    if tx.optional::<(i64,)>(listed, args![request.peer]).await?.is_none() {
        return Err(StoreError::NotFound("node"));
    }
    tx.execute(LOCK, vec![]).await?;
    let owner = request.owner.to_string();
    // By who asks alone, so that it says nothing about the mailbox.
    if !count_owner(tx, &request.network.to_string(), &owner, limits.owners_per_network, now).await? {
        return Ok(false);
    }
    let Some(id) = subscriber(tx, request, address, limits.mailboxes, now).await? else { return Ok(false) };
    // What waits for a confirmation waits anew.
    let add = "INSERT INTO subscriptions (subscriber_id, peer_id, asked_at) SELECT $1, $2, $3 \
               WHERE (SELECT count(*) FROM subscriptions WHERE subscriber_id = $1 AND peer_id <> $2) < $4 \
               ON CONFLICT (subscriber_id, peer_id) DO UPDATE SET asked_at = excluded.asked_at";
    tx.execute(add, args![id, request.peer, now, limits.nodes]).await?;
    let quiet = "INSERT INTO quiet_mailboxes (owner, until) VALUES ($1, $2) \
                 ON CONFLICT (owner) DO UPDATE SET until = excluded.until WHERE quiet_mailboxes.until <= $3";
    if tx.execute(quiet, args![owner, now + limits.quiet, now]).await? == 0 {
        return Ok(false);
    }
    let mail = "INSERT INTO subscription_mails (id, subscriber_id, message, created_at, due_at, attempts, leased_until) \
                VALUES ($1, $2, $3, $4, $4, 0, 0)";
    tx.execute(mail, args![request.mail.to_string(), id, request.message.as_str(), now]).await?;
    Ok(true)
}

/// Notes that a mailbox was named from a network, unless too many others were in the last day.
async fn count_owner(tx: &mut Tx, network: &str, owner: &str, most: u32, now: Timestamp) -> Result<bool, StoreError> {
    let note = "INSERT INTO subscription_requests (network, owner, asked_at) SELECT $1, $2, $3 \
                WHERE (SELECT count(*) FROM subscription_requests WHERE network = $1 AND owner <> $2 AND asked_at > $4) < $5 \
                ON CONFLICT (network, owner) DO UPDATE SET asked_at = excluded.asked_at";
    Ok(tx.execute(note, args![network, owner, now, now - DAY, most]).await? > 0)
}

/// The visitor with the mailbox of a request, who is added unless there are too many.
async fn subscriber(
    tx: &mut Tx,
    request: &SubscriptionRequest,
    address: &[u8],
    most: u32,
    now: Timestamp,
) -> Result<Option<SubscriberId>, StoreError> {
    let add = "INSERT INTO subscribers (mailbox, owner, address, language, created_at) SELECT $1, $2, $3, $4, $5 \
               WHERE (SELECT count(*) FROM subscribers) < $6 ON CONFLICT (mailbox) DO NOTHING";
    let mailbox = request.mailbox.to_string();
    let owner = request.owner.to_string();
    let language = request.language.as_str();
    tx.execute(add, args![mailbox.as_str(), owner, address.to_vec(), language, now, most]).await?;
    let known: Option<(SubscriberId,)> =
        tx.optional("SELECT id FROM subscribers WHERE mailbox = $1", args![mailbox]).await?;
    Ok(known.map(|(id,)| id))
}
