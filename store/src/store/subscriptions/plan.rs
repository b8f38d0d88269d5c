//! What the planner of messages knows of visitors, and writes for them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    db::{Bulk, Column, Tx, args, sql},
    domain::{NewMail, PeerId, SubscriberId, Timestamp, VisitorStep, WatchedState, Watcher},
    error::StoreError,
    store::Store,
};

static MAILS: Bulk = Bulk::new(
    "subscription_mails",
    &[
        ("id", Column::Text),
        ("subscriber_id", Column::Int),
        ("peer_id", Column::Int),
        ("message", Column::Text),
        ("created_at", Column::Int),
        ("due_at", Column::Int),
        ("attempts", Column::Int),
        ("leased_until", Column::Int),
    ],
    "",
);

fn mailbox(text: &str) -> Result<Uuid, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("subscribers.mailbox".to_owned()))
}

impl Store {
    /// What is known and was told of nodes to visitors, where there is something to remember.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn watched_states(&self) -> Result<Vec<WatchedState>, StoreError> {
        let select = "SELECT s.subscriber_id, v.mailbox, s.peer_id, s.state FROM subscriptions s \
                      JOIN subscribers v ON v.id = s.subscriber_id WHERE s.state IS NOT NULL";
        let rows: Vec<(SubscriberId, String, PeerId, String)> = self.db().all(select, vec![]).await?;
        let state =
            |(id, name, peer, state): (_, String, _, _)| Ok(WatchedState { id, mailbox: mailbox(&name)?, peer, state });
        rows.into_iter().map(state).collect()
    }

    /// The visitors who confirmed one of these nodes, or of whom something is remembered, each with all nodes that they confirmed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn watchers(&self, nodes: Vec<i64>) -> Result<Vec<Watcher>, StoreError> {
        let select = sql!(
            "SELECT v.id, v.mailbox, v.language, s.peer_id FROM subscriptions s JOIN subscribers v ON v.id = s.subscriber_id \
             WHERE s.confirmed_at IS NOT NULL AND s.subscriber_id IN (SELECT subscriber_id FROM subscriptions \
             WHERE state IS NOT NULL OR (confirmed_at IS NOT NULL AND peer_id ",
            (in 1),
            ")) ORDER BY v.id"
        );
        let rows: Vec<(SubscriberId, String, String, i64)> = self.db().all(select, args![nodes]).await?;
        let mut watchers: BTreeMap<SubscriberId, Watcher> = BTreeMap::new();
        for (id, name, language, peer) in rows {
            let mailbox = mailbox(&name)?;
            let watcher = watchers.entry(id).or_insert(Watcher { id, mailbox, language, nodes: Default::default() });
            watcher.nodes.insert(peer);
        }
        Ok(watchers.into_values().collect())
    }
}

/// Writes what a step of the planner does for visitors. Those who are gone meanwhile are left out.
pub(in crate::store) async fn store_step(tx: &mut Tx, step: &VisitorStep, now: Timestamp) -> Result<(), StoreError> {
    let update = "UPDATE subscriptions SET state = $3 WHERE subscriber_id = $1 AND peer_id = $2";
    for (id, peer, state) in &step.states {
        tx.execute(update, args![*id, *peer, state.clone()]).await?;
    }
    if step.mails.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = step.mails.iter().map(|mail| mail.to.0).collect();
    let there = sql!("SELECT id FROM subscribers WHERE id ", (in 1), ["" | " FOR KEY SHARE"]);
    let there: Vec<(SubscriberId,)> = tx.all(there, args![ids]).await?;
    let row = |NewMail { id, to, peer, message }: &NewMail| {
        let peer = peer.map(|peer| peer.0);
        args![id.to_string(), *to, peer, message.as_str(), now, now, 0_i64, 0_i64]
    };
    let mails = step.mails.iter().filter(|mail| there.contains(&(mail.to,)));
    MAILS.execute(tx, mails.flat_map(row).collect()).await.map(drop)
}
