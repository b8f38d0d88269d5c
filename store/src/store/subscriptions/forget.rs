//! What is forgotten by itself: nodes that are gone, what nobody confirmed, and limits that are over.

use super::{LOCK, UNCONFIRMED};
use crate::{
    db::{Tx, args, sql},
    domain::{DAY, Timestamp},
    error::StoreError,
};

/// Ends the subscriptions to peers that are deleted.
pub(in crate::store) async fn forget(tx: &mut Tx, peers: Vec<i64>) -> Result<(), StoreError> {
    tx.execute(sql!("DELETE FROM subscriptions WHERE peer_id ", (in 1)), args![peers.clone()]).await?;
    tx.execute(sql!("DELETE FROM subscription_mails WHERE peer_id ", (in 1)), args![peers]).await.map(drop)
}

/// Deletes what nobody confirmed in time, mailboxes without a node, and limits that are over.
pub(in crate::store) async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(LOCK, vec![]).await?;
    let steps = [
        ("DELETE FROM subscriptions WHERE confirmed_at IS NULL AND asked_at <= $1", now - UNCONFIRMED),
        (
            "DELETE FROM subscribers WHERE created_at <= $1 \
             AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.subscriber_id = subscribers.id)",
            now,
        ),
        ("DELETE FROM subscription_requests WHERE asked_at <= $1", now - DAY),
        ("DELETE FROM quiet_mailboxes WHERE until <= $1", now),
    ];
    let mut rows = 0;
    for (delete, before) in steps {
        rows += tx.execute(delete, args![before]).await?;
    }
    Ok(rows)
}
