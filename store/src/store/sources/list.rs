//! The sources: adding, listing, asking for and removing them.

use easytier_probe::remote_list::ListVersion;

use crate::{
    crypto::HubKey,
    db::{args, work},
    domain::{AuditObject, AuditVerb, Source, SourceId, SourceProblem, SourceSpec, Timestamp, millis},
    error::{Conflict, StoreError},
    store::{
        Store,
        audit::{self, Change},
        duties::Duty,
        edits, rows,
    },
};

/// The maximum number of sources.
const MAX_SOURCES: usize = 100;

/// The place to which an encrypted URL is bound, see [`HubKey::seal`].
pub(in crate::store) const URL_PLACE: &str = "sources.url";

const NOT_FOUND: StoreError = StoreError::NotFound("source");

/// The sources.
macro_rules! sources {
    () => {
        "SELECT s.id, s.name, s.url, s.every_ms, s.trusted, s.created_at, s.due_at, s.tried_at, s.read_at, s.problem, \
         s.listed, s.waiting, s.refused, s.refusals, s.etag, s.last_modified, s.takes_short, s.step, \
         (SELECT count(*) FROM source_peers p WHERE p.source_id = s.id AND p.state = 'brought' \
         AND p.missing_since IS NULL) AS brought FROM sources s"
    };
}

#[derive(sqlx::FromRow)]
struct SourceRow {
    id: SourceId,
    name: String,
    url: Vec<u8>,
    every_ms: i64,
    trusted: bool,
    created_at: Timestamp,
    due_at: Timestamp,
    tried_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    problem: Option<String>,
    listed: i64,
    waiting: i64,
    refused: i64,
    refusals: String,
    etag: Option<String>,
    last_modified: Option<String>,
    takes_short: bool,
    step: i64,
    brought: i64,
}

impl SourceRow {
    fn into_source(self, key: &HubKey) -> Result<Source, StoreError> {
        let every = rows::duration(Some(self.every_ms));
        Ok(Source {
            id: self.id,
            spec: SourceSpec {
                name: self.name,
                url: key.open(URL_PLACE, &self.url)?,
                every: every.ok_or_else(|| StoreError::Corrupt("sources.every_ms".to_owned()))?,
                trusted: self.trusted,
            },
            created_at: self.created_at,
            due_at: self.due_at,
            tried_at: self.tried_at,
            read_at: self.read_at,
            // A newer hub on the same database may know others.
            problem: self
                .problem
                .map(|text| serde_json::from_str(&text).unwrap_or_else(|_| SourceProblem::of_newer(&text))),
            listed: rows::count(self.listed),
            brought: rows::count(self.brought),
            waiting: rows::count(self.waiting),
            refused: rows::count(self.refused),
            refusals: serde_json::from_str(&self.refusals).unwrap_or_default(),
            version: ListVersion { etag: self.etag, last_modified: self.last_modified },
            takes_short: self.takes_short,
            step: self.step,
        })
    }
}

impl Store {
    /// Adds a source, which is due at once.
    ///
    /// # Errors
    ///
    /// [`Conflict::TooManySources`] when there are 100; [`Conflict::SourceListed`] when another one has the URL;
    /// [`StoreError::NotPrimary`] at a dependent; otherwise when the database fails.
    pub async fn add_source(&self, spec: &SourceSpec, now: Timestamp) -> Result<SourceId, StoreError> {
        let insert = "INSERT INTO sources (name, url, every_ms, trusted, created_at, due_at, listed, waiting, refused, \
                      refusals, takes_short, step) VALUES ($1, $2, $3, $4, $5, $5, 0, 0, 0, '[]', FALSE, 0) RETURNING id";
        let key = &self.shared.key;
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    let urls: Vec<(Vec<u8>,)> = tx.all("SELECT url FROM sources", vec![]).await?;
                    if urls.len() >= MAX_SOURCES {
                        return Err(Conflict::TooManySources.into());
                    }
                    for (url,) in urls {
                        if key.open(URL_PLACE, &url)?.expose() == spec.url.expose() {
                            return Err(Conflict::SourceListed.into());
                        }
                    }
                    let sealed = key.seal(URL_PLACE, &spec.url);
                    let name = rows::without_nul(&spec.name);
                    let (id,): (SourceId,) =
                        tx.one(insert, args![name, sealed, millis(spec.every), spec.trusted, now]).await?;
                    edit.note(tx, Change::of(AuditObject::Source, AuditVerb::Add).id(id).named(&spec.name)).await?;
                    Ok(id)
                })
            })
            .await
    }

    /// All sources, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sources(&self) -> Result<Vec<Source>, StoreError> {
        let rows: Vec<SourceRow> = self.db().all(concat!(sources!(), " ORDER BY s.id"), vec![]).await?;
        rows.into_iter().map(|row| row.into_source(&self.shared.key)).collect()
    }

    /// A source.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn source(&self, id: SourceId) -> Result<Source, StoreError> {
        let row: Option<SourceRow> = self.db().optional(concat!(sources!(), " WHERE s.id = $1"), args![id]).await?;
        row.ok_or(NOT_FOUND)?.into_source(&self.shared.key)
    }

    /// The sources that are due; none at a dependent, which has the peers of its primary, and where another hub follows them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn due_sources(&self, now: Timestamp) -> Result<Vec<Source>, StoreError> {
        if self.shared.duties.hold(self.db(), &[Duty::Sources]).await?.is_empty() {
            return Ok(Vec::new());
        }
        let select = concat!(
            sources!(),
            " WHERE s.due_at <= $1 AND EXISTS (SELECT 1 FROM instance WHERE id = 1 AND role <> 'dependent') \
             ORDER BY s.due_at, s.id"
        );
        let rows: Vec<SourceRow> = self.db().all(select, args![now]).await?;
        rows.into_iter().map(|row| row.into_source(&self.shared.key)).collect()
    }

    /// Makes a source due now. `takes_short`: the next try takes the list even if it is much shorter than before.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; [`StoreError::NotPrimary`] at a dependent; otherwise when the
    /// database fails.
    pub async fn ask_for_source(&self, id: SourceId, takes_short: bool, now: Timestamp) -> Result<(), StoreError> {
        // A try that runs does not count any more.
        let update = "UPDATE sources SET due_at = $2, takes_short = $3, step = step + 1 WHERE id = $1";
        self.db()
            .transaction(|tx| {
                work(async move {
                    let edit = edits::allow(tx).await?;
                    if tx.execute(update, args![id, now, takes_short]).await? == 0 {
                        return Err(NOT_FOUND);
                    }
                    let what = if takes_short { "takes a shorter list" } else { "" };
                    edit.note(tx, Change::of(AuditObject::Source, AuditVerb::Repeat).id(id).detail(what)).await
                })
            })
            .await
    }

    /// Removes a source. The peers and submissions that it brought stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id; otherwise when the database fails.
    pub async fn remove_source(&self, id: SourceId) -> Result<(), StoreError> {
        let delete = "DELETE FROM sources WHERE id = $1";
        let change = Change::of(AuditObject::Source, AuditVerb::Remove).id(id);
        audit::change_one(self.db(), delete, args![id], "source", change).await
    }

    /// When each source was last read, with its name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn source_times(&self) -> Result<Vec<(SourceId, String, Option<Timestamp>)>, StoreError> {
        self.db().all("SELECT id, name, read_at FROM sources ORDER BY id", vec![]).await
    }
}
