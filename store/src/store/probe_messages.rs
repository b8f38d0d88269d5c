//! What is asked of probes over the connections that they make, besides checks: to take a configuration, to tell statistics.

use std::time::Duration;

use serde_json::Value as Json;

use super::{Store, requested_checks::AVAILABLE_FOR};
use crate::{
    db::{Tx, args, json, work},
    domain::{MessageKind, ProbeId, Timestamp},
    error::StoreError,
};

/// The maximum number of messages that wait for a probe.
const MAX_MESSAGES: i64 = 100;

/// How long a message and its answer are kept after their time.
const KEPT_FOR: Duration = Duration::from_secs(60);

impl Store {
    /// Sends a message to a probe that asks for orders; returns its number. `ends_at`: who has not answered by then does not answer.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the probe has no connection to any hub, or 100 messages wait for it; otherwise when the database
    /// fails.
    pub async fn send_message(
        &self,
        probe: ProbeId,
        kind: MessageKind,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.db().transaction(|tx| work(send(tx, probe, kind, ends_at, now))).await
    }

    /// Whether a probe asks any hub for orders.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_channel(&self, server_id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let select = "SELECT count(*) FROM probe_channels c JOIN probes b ON b.id = c.probe_id \
                      WHERE b.server_id = $1 AND c.asked_at > $2";
        let (found,): (i64,) = self.db().one(select, args![server_id, now - AVAILABLE_FOR]).await?;
        Ok(found > 0)
    }

    /// The messages to a probe with numbers greater than `since` that it has not answered, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn messages(
        &self,
        probe: ProbeId,
        since: i64,
        now: Timestamp,
    ) -> Result<Vec<(i64, MessageKind)>, StoreError> {
        let select = "SELECT number, kind FROM probe_messages WHERE probe_id = $1 AND number > $2 AND answer IS NULL \
                      AND ends_at > $3 ORDER BY number";
        let found: Vec<(i64, String)> = self.db().all(select, args![probe, since, now]).await?;
        // Those of a newer hub on the same database are its own.
        Ok(found.into_iter().filter_map(|(number, kind)| Some((number, MessageKind::from_name(&kind)?))).collect())
    }

    /// Stores the answer to a message. A later answer to the same message changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the probe has no such message, or nobody waits for the answer any more; otherwise when the
    /// database fails.
    pub async fn answer_message(
        &self,
        probe: ProbeId,
        number: i64,
        answer: &Json,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "UPDATE probe_messages SET answer = coalesce(answer, $3) \
                      WHERE probe_id = $1 AND number = $2 AND ends_at > $4";
        match self.db().execute(update, args![probe, number, json(answer)?, now]).await? {
            0 => Err(StoreError::NotFound("message")),
            _ => Ok(()),
        }
    }

    /// The answer to a message, if there is one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn message_answer(&self, probe: ProbeId, number: i64) -> Result<Option<Json>, StoreError> {
        let select = "SELECT answer FROM probe_messages WHERE probe_id = $1 AND number = $2";
        let row: Option<(Option<String>,)> = self.db().optional(select, args![probe, number]).await?;
        let answer = row.and_then(|(answer,)| answer);
        answer
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| StoreError::Corrupt("probe_messages.answer".into()))
    }
}

async fn send(
    tx: &mut Tx,
    probe: ProbeId,
    kind: MessageKind,
    ends_at: Timestamp,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let next = "UPDATE probe_channels SET last_number = last_number + 1 WHERE probe_id = $1 AND asked_at > $2 \
                RETURNING last_number";
    let number: Option<(i64,)> = tx.optional(next, args![probe, now - AVAILABLE_FOR]).await?;
    let (number,) = number.ok_or(StoreError::NotFound("connection of the probe"))?;
    let waiting = "SELECT count(*) FROM probe_messages WHERE probe_id = $1 AND answer IS NULL AND ends_at > $2";
    let (waiting,): (i64,) = tx.one(waiting, args![probe, now]).await?;
    if waiting >= MAX_MESSAGES {
        return Err(StoreError::NotFound("room for a message to the probe"));
    }
    let insert = "INSERT INTO probe_messages (probe_id, number, kind, ends_at) VALUES ($1, $2, $3, $4)";
    tx.execute(insert, args![probe, number, kind.as_str(), ends_at]).await?;
    Ok(number)
}

/// Forgets messages whose time is over. Returns how many rows are gone.
pub(super) async fn sweep(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM probe_messages WHERE ends_at < $1", args![now - KEPT_FOR]).await
}
