//! What the operator tells visitors.

use std::time::Duration;

use super::{
    Store,
    audit::{self, Change},
};
use crate::{
    db::{args, work},
    domain::{Announcement, AnnouncementId, AuditObject, AuditVerb, DAY, NewAnnouncement, Severity, Timestamp},
    error::StoreError,
};

/// How long an announcement is kept after its end.
const KEPT_FOR: Duration = DAY.saturating_mul(90);

/// How many are listed at most.
const LISTED: i64 = 100;

#[derive(sqlx::FromRow)]
struct AnnouncementRow {
    id: AnnouncementId,
    severity: String,
    english: Option<String>,
    chinese: Option<String>,
    created_at: Timestamp,
    ends_at: Option<Timestamp>,
}

impl AnnouncementRow {
    fn into_announcement(self) -> Announcement {
        let Self { id, severity, english, chinese, created_at, ends_at } = self;
        // A newer hub on the same database may know others.
        let severity = Severity::from_name(&severity).unwrap_or(Severity::Warning);
        Announcement { id, created_at, content: NewAnnouncement { severity, english, chinese, ends_at } }
    }
}

impl Store {
    /// Adds an announcement, and forgets those that ended long ago.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn announce(&self, new: &NewAnnouncement, now: Timestamp) -> Result<AnnouncementId, StoreError> {
        let insert = "INSERT INTO announcements (severity, english, chinese, created_at, ends_at) \
                      VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let NewAnnouncement { severity, english, chinese, ends_at } = new;
        let parameters = &args![severity.as_str(), english.clone(), chinese.clone(), now, *ends_at];
        self.db()
            .transaction(|tx| {
                work(async move {
                    tx.execute("DELETE FROM announcements WHERE ends_at < $1", args![now - KEPT_FOR]).await?;
                    let (id,): (AnnouncementId,) = tx.one(insert, parameters.clone()).await?;
                    let text = english.as_ref().or(chinese.as_ref()).map_or("", String::as_str);
                    let added = Change::of(AuditObject::Announcement, AuditVerb::Add).id(id);
                    audit::note(tx, added.named(text)).await?;
                    Ok(id)
                })
            })
            .await
    }

    /// The announcements, the newest first, at most 100; also those that have ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn announcements(&self) -> Result<Vec<Announcement>, StoreError> {
        let select = "SELECT id, severity, english, chinese, created_at, ends_at FROM announcements \
                      ORDER BY id DESC LIMIT $1";
        let rows: Vec<AnnouncementRow> = self.db().all(select, args![LISTED]).await?;
        Ok(rows.into_iter().map(AnnouncementRow::into_announcement).collect())
    }

    /// Ends an announcement. It goes on being listed for a while.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none with this id that is shown; otherwise when the database fails.
    pub async fn end_announcement(&self, id: AnnouncementId, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE announcements SET ends_at = $2 WHERE id = $1 AND (ends_at IS NULL OR ends_at > $2)";
        let change = Change::of(AuditObject::Announcement, AuditVerb::End).id(id);
        audit::change_one(self.db(), update, args![id, now], "announcement", change).await
    }
}
