//! What follows from a try to fetch a source, in one transaction.

use easytier_probe::remote_list::ListVersion;

use super::{apply, facts, plan::plan};
use crate::{
    db::{self, Tx, Value, args, work},
    domain::{AuditObject, AuditVerb, NewPeer, Source, SourceChanges, SourceProblem, SourceReading, Timestamp},
    error::StoreError,
    store::{Store, audit::Change, edits, metadata, rows::without_nul},
};

impl Store {
    /// Stores what a try to fetch a source found, and does what follows for its nodes; `due_at`: when it is tried next. After an
    /// error all is as before.
    ///
    /// A node that is new becomes a peer if the source is trusted, otherwise a submission, as long as there is room. Of a peer that
    /// the source brought and nobody changed since, name, tags, relay and limit follow the list; it is taken off the list of peers
    /// when the source lacks it for a day and no other source has it, and comes back with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Overtaken`] when the source was tried, asked for or removed since it was read; [`StoreError::NotPrimary`] at a
    /// dependent; otherwise when the database fails.
    pub async fn follow_source(
        &self,
        source: &Source,
        reading: &SourceReading,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<SourceChanges, StoreError> {
        let listed = match reading {
            SourceReading::Failed(problem) => return self.note_problem(source, problem, due_at, now).await,
            SourceReading::NotModified => None,
            SourceReading::List { peers, .. } => Some(peers.as_slice()),
        };
        let (id, trusted, nodes) = (source.id, source.spec.trusted, listed.unwrap_or_default());
        // A list without changes is the rule. It must not lock the peers, nor have probes read all of them again.
        let changes_peers = self
            .db()
            .transaction(|tx| {
                work(async move {
                    let facts = facts::read(tx, id, nodes).await?;
                    Ok(plan(&facts, listed, trusted, now).changes_peers())
                })
            })
            .await?;
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    if changes_peers {
                        metadata::bump_config_version(tx).await?;
                    }
                    let facts = facts::read(tx, id, nodes).await?;
                    let plan = plan(&facts, listed, trusted, now);
                    if plan.changes_peers() && !changes_peers {
                        return Err(StoreError::Overtaken);
                    }
                    let (changes, new) = apply::write_peers(tx, &self.shared, &plan, now).await?;
                    note_reading(tx, source, reading, changes.waiting, due_at, now).await?;
                    apply::remember(tx, id, &plan, new).await?;
                    match changes.is_none() {
                        true => edit.skip(),
                        false => edit.note(tx, followed(source, &changes)).await?,
                    }
                    Ok(changes)
                })
            })
            .await
    }

    async fn note_problem(
        &self,
        source: &Source,
        problem: &SourceProblem,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<SourceChanges, StoreError> {
        let update = "UPDATE sources SET step = step + 1, takes_short = FALSE, tried_at = $3, due_at = $4, problem = $5 \
                      WHERE id = $1 AND step = $2";
        let parameters = args![source.id, source.step, now, due_at, json(problem)?];
        match self.db().execute(update, parameters).await? {
            0 => Err(StoreError::Overtaken),
            _ => Ok(SourceChanges::default()),
        }
    }
}

/// What followed from a list, for the audit log.
fn followed(source: &Source, changes: &SourceChanges) -> Change {
    let SourceChanges { added, proposed, changed, dropped, restored, .. } = changes;
    let what = format!("{added} added, {proposed} proposed, {changed} changed, {dropped} dropped, {restored} restored");
    Change::of(AuditObject::Source, AuditVerb::Change).id(source.id).named(&source.spec.name).detail(what)
}

async fn note_reading(
    tx: &mut Tx,
    source: &Source,
    reading: &SourceReading,
    waiting: usize,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut parameters = args![source.id, source.step, now, due_at];
    let update = match reading {
        SourceReading::List { peers, refused, refusals, version } => {
            parameters.extend(of_list(peers, *refused, refusals, version, waiting)?);
            "UPDATE sources SET step = step + 1, takes_short = FALSE, tried_at = $3, read_at = $3, due_at = $4, \
             problem = NULL, listed = $5, waiting = $6, refused = $7, refusals = $8, etag = $9, last_modified = $10 \
             WHERE id = $1 AND step = $2"
        }
        SourceReading::NotModified | SourceReading::Failed(_) => {
            "UPDATE sources SET step = step + 1, takes_short = FALSE, tried_at = $3, read_at = $3, due_at = $4, \
             problem = NULL WHERE id = $1 AND step = $2"
        }
    };
    match tx.execute(update, parameters).await? {
        0 => Err(StoreError::Overtaken),
        _ => Ok(()),
    }
}

fn of_list(
    peers: &[NewPeer],
    refused: u32,
    refusals: &[String],
    version: &ListVersion,
    waiting: usize,
) -> Result<Vec<Value>, StoreError> {
    // What has to wait is read again next time, also if the list does not change.
    let ListVersion { etag, last_modified } = if waiting == 0 { version.clone() } else { ListVersion::default() };
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(args![count(peers.len()), count(waiting), refused, json(&refusals)?, etag, last_modified])
}

/// JSON that PostgreSQL takes as a text.
fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    Ok(without_nul(&db::json(value)?))
}
