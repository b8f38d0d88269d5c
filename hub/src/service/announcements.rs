//! Use cases of the operator: announcements, which visitors read on all pages.

use std::time::Duration;

use easytier_uptime_store::domain::{Announcement, AnnouncementId, DAY, NewAnnouncement, Severity, Timestamp};

use super::{Admin, FieldError, FieldProblem, ServiceError, line::line};

/// The maximum length of the text of an announcement, in characters.
pub const MAX_ANNOUNCEMENT: usize = 500;

/// The longest time for which an announcement may be shown, in hours: a year.
pub const MAX_ANNOUNCED_HOURS: u32 = 365 * 24;

/// An announcement to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnnouncementRequest {
    /// How much it matters.
    pub severity: Severity,
    /// The text in English; of the two texts one may be empty.
    pub english: String,
    /// The text in Chinese.
    pub chinese: String,
    /// After which time it ends by itself, at most [`MAX_ANNOUNCED_HOURS`]; `None` for one that somebody has to end.
    pub lasts: Option<Duration>,
}

impl Admin {
    /// Makes an announcement. Visitors see it within seconds.
    ///
    /// # Errors
    ///
    /// When there is no text, a text is too long or has control characters, it would last too long, or the database fails.
    pub async fn announce(&self, request: AnnouncementRequest) -> Result<AnnouncementId, ServiceError> {
        let AnnouncementRequest { severity, english, chinese, lasts } = request;
        let now = Timestamp::now();
        let new = NewAnnouncement {
            severity,
            english: line("english", &english, MAX_ANNOUNCEMENT)?,
            chinese: line("chinese", &chinese, MAX_ANNOUNCEMENT)?,
            ends_at: lasts.map(|lasts| end(lasts, now)).transpose()?,
        };
        if new.english.is_none() && new.chinese.is_none() {
            return Err(FieldError::new("english", FieldProblem::Missing).into());
        }
        Ok(self.store.announce(&new, now).await?)
    }

    /// The announcements, the newest first; also those that ended lately.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn announcements(&self) -> Result<Vec<Announcement>, ServiceError> {
        Ok(self.store.announcements().await?)
    }

    /// Ends an announcement.
    ///
    /// # Errors
    ///
    /// When there is none with this id that is shown, or the database fails.
    pub async fn end_announcement(&self, id: AnnouncementId) -> Result<(), ServiceError> {
        Ok(self.store.end_announcement(id, Timestamp::now()).await?)
    }
}

fn end(lasts: Duration, now: Timestamp) -> Result<Timestamp, FieldError> {
    let max = DAY / 24 * MAX_ANNOUNCED_HOURS;
    let problem = FieldProblem::OutOfRange { min: 1, max: MAX_ANNOUNCED_HOURS };
    match lasts > Duration::ZERO && lasts <= max {
        true => Ok(now + lasts),
        false => Err(FieldError::new("hours", problem)),
    }
}
