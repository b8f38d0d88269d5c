//! What who reads a mailbox sees and does, and what the operator does.

use std::time::Duration;

use uuid::Uuid;

use super::{ADDRESS_PLACE, LOCK, UNCONFIRMED};
use crate::{
    db::{Tx, args, sql, work},
    domain::{AuditObject, AuditVerb, PeerId, SubscribedNode, Subscriber, SubscriberId, SubscriptionCounts, Timestamp},
    error::StoreError,
    store::{
        Store,
        audit::{self, Change},
        edits, rows,
        watched::is_watched,
    },
};

impl Store {
    /// The visitor with a mailbox, and what they asked for; `None` when nothing is left of it.
    ///
    /// # Errors
    ///
    /// When the database fails, or the address cannot be decrypted.
    pub async fn subscriber(&self, mailbox: Uuid, now: Timestamp) -> Result<Option<Subscriber>, StoreError> {
        let select = "SELECT id, address, language FROM subscribers WHERE mailbox = $1";
        let row: Option<(SubscriberId, Vec<u8>, String)> =
            self.db().optional(select, args![mailbox.to_string()]).await?;
        let Some((id, address, language)) = row else { return Ok(None) };
        let select = sql!(
            "SELECT s.peer_id, p.name, s.confirmed_at IS NOT NULL FROM subscriptions s JOIN peers p ON p.id = s.peer_id \
             WHERE s.subscriber_id = $1 AND (s.confirmed_at IS NOT NULL OR s.asked_at > $2) AND ",
            (is_watched),
            " ORDER BY p.name, p.id"
        );
        let rows: Vec<(PeerId, String, bool)> = self.db().all(select, args![id, now - UNCONFIRMED]).await?;
        let node = |(peer, name, is_confirmed)| SubscribedNode { peer, name, is_confirmed };
        let address = self.shared.key.open(ADDRESS_PLACE, &address)?;
        Ok(Some(Subscriber { address, language, nodes: rows.into_iter().map(node).collect() }))
    }

    /// Confirms what a visitor asked for: one node, or all. What was confirmed, or has waited too long, stays as it is.
    ///
    /// # Errors
    ///
    /// When this instance takes no edits, or the database fails.
    pub async fn confirm_subscriptions(
        &self,
        mailbox: Uuid,
        peer: Option<PeerId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE subscriptions SET confirmed_at = $3 WHERE confirmed_at IS NULL AND asked_at > $4 \
                      AND ($2 IS NULL OR peer_id = $2) \
                      AND subscriber_id IN (SELECT id FROM subscribers WHERE mailbox = $1)";
        let parameters = &args![mailbox.to_string(), peer.map(|peer| peer.0), now, now - UNCONFIRMED];
        self.db()
            .transaction(|tx| {
                work(async move {
                    edits::allow(tx).await?.skip();
                    tx.execute(update, parameters.clone()).await.map(drop)
                })
            })
            .await
    }

    /// Ends what a visitor asked for, one node or all, with the mails about it that wait. Who never confirmed anything is not asked
    /// again for `quiet`. It is possible at a dependent too, and when nothing is left it changes nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_subscriptions(
        &self,
        mailbox: Uuid,
        peer: Option<PeerId>,
        quiet: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.db().transaction(|tx| work(end(tx, mailbox, peer, quiet, now))).await
    }

    /// Removes a mailbox, and returns whether it was known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn remove_subscriber(&self, mailbox: Uuid) -> Result<bool, StoreError> {
        let select = "SELECT id FROM subscribers WHERE mailbox = $1";
        let parameters = &args![mailbox.to_string()];
        self.db()
            .transaction(|tx| {
                work(async move {
                    tx.execute(LOCK, vec![]).await?;
                    let known: Option<(SubscriberId,)> = tx.optional(select, parameters.clone()).await?;
                    if let Some((id,)) = known {
                        remove(tx, id).await?;
                        // Not the mailbox itself, which belongs to a visitor.
                        audit::note(tx, Change::of(AuditObject::Subscriber, AuditVerb::Remove).id(id)).await?;
                    }
                    Ok(known.is_some())
                })
            })
            .await
    }

    /// How many visitors subscribed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn subscription_counts(&self) -> Result<SubscriptionCounts, StoreError> {
        let select = "SELECT (SELECT count(DISTINCT subscriber_id) FROM subscriptions WHERE confirmed_at IS NOT NULL), \
                      (SELECT count(*) FROM subscriptions WHERE confirmed_at IS NOT NULL), \
                      (SELECT count(*) FROM subscribers), (SELECT count(*) FROM subscription_mails)";
        let (confirmed, subscriptions, all, waiting): (i64, i64, i64, i64) = self.db().one(select, vec![]).await?;
        Ok(SubscriptionCounts {
            mailboxes: rows::count(confirmed),
            subscriptions: rows::count(subscriptions),
            unconfirmed: rows::count(all - confirmed),
            waiting: rows::count(waiting),
        })
    }
}

async fn end(
    tx: &mut Tx,
    mailbox: Uuid,
    peer: Option<PeerId>,
    quiet: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(LOCK, vec![]).await?;
    let select = "SELECT id, owner, EXISTS (SELECT 1 FROM subscriptions WHERE subscriber_id = s.id AND confirmed_at IS NOT NULL), \
                  EXISTS (SELECT 1 FROM subscriptions WHERE subscriber_id = s.id AND peer_id <> $2) \
                  FROM subscribers s WHERE mailbox = $1";
    let row: Option<(SubscriberId, String, bool, bool)> =
        tx.optional(select, args![mailbox.to_string(), peer.map(|peer| peer.0)]).await?;
    let Some((id, owner, is_confirmed, has_others)) = row else { return Ok(()) };
    if let Some(peer) = peer.filter(|_| has_others) {
        tx.execute("DELETE FROM subscriptions WHERE subscriber_id = $1 AND peer_id = $2", args![id, peer]).await?;
        let mails = "DELETE FROM subscription_mails WHERE subscriber_id = $1 AND peer_id = $2";
        return tx.execute(mails, args![id, peer]).await.map(drop);
    }
    if !is_confirmed {
        let silence = "INSERT INTO quiet_mailboxes (owner, until) VALUES ($1, $2) \
                       ON CONFLICT (owner) DO UPDATE SET until = excluded.until WHERE quiet_mailboxes.until < excluded.until";
        tx.execute(silence, args![owner, now + quiet]).await?;
    }
    remove(tx, id).await
}

/// Deletes a visitor. The subscriptions first, as the planner locks them.
async fn remove(tx: &mut Tx, id: SubscriberId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM subscriptions WHERE subscriber_id = $1", args![id]).await?;
    tx.execute("DELETE FROM subscribers WHERE id = $1", args![id]).await.map(drop)
}
