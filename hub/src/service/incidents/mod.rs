//! Incidents: what the operator writes to them, and what their timelines say.

mod detail;

use easytier_uptime_store::domain::{
    Incident, IncidentEntry, IncidentFilter, IncidentId, Page, PageRequest, Timestamp,
};

pub use self::detail::{Detail, IncidentState, RegionSight, cause, seen_by_regions, state};
use super::{Admin, FieldError, FieldProblem, ServiceError, line::line};

/// The maximum length of a text that the operator adds to an incident, in characters.
pub const MAX_POST: usize = 1000;

/// The maximum length of the name of an incident, in characters.
pub const MAX_INCIDENT_NAME: usize = 200;

/// Texts in two languages, of which either may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    /// The text in English.
    pub english: String,
    /// The text in Chinese.
    pub chinese: String,
}

impl Wording {
    fn lines(&self, max: usize) -> Result<[Option<String>; 2], FieldError> {
        Ok([line("english", &self.english, max)?, line("chinese", &self.chinese, max)?])
    }
}

impl Admin {
    /// A page of incidents, as visitors see them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn incidents(&self, page: PageRequest) -> Result<Page<Incident>, ServiceError> {
        Ok(self.store.incidents(IncidentFilter::default(), page).await?)
    }

    /// An incident and its timeline.
    ///
    /// # Errors
    ///
    /// When there is none with this id, or the database fails.
    pub async fn incident(&self, id: IncidentId) -> Result<(Incident, Vec<IncidentEntry>), ServiceError> {
        Ok(self.store.incident(id).await?)
    }

    /// Adds a text to the timeline of an incident. Visitors see it within seconds.
    ///
    /// # Errors
    ///
    /// When there is no text, a text is too long or has control characters, there is no such incident or it has too many texts,
    /// or the database fails.
    pub async fn post_to_incident(&self, id: IncidentId, words: &Wording) -> Result<(), ServiceError> {
        let [english, chinese] = words.lines(MAX_POST)?;
        if english.is_none() && chinese.is_none() {
            return Err(FieldError::new("english", FieldProblem::Missing).into());
        }
        Ok(self.store.post_to_incident(id, english.as_deref(), chinese.as_deref(), Timestamp::now()).await?)
    }

    /// Gives an incident a name; without a text it has the usual one again.
    ///
    /// # Errors
    ///
    /// When a text is too long or has control characters, there is no such incident, or the database fails.
    pub async fn name_incident(&self, id: IncidentId, words: &Wording) -> Result<(), ServiceError> {
        let [english, chinese] = words.lines(MAX_INCIDENT_NAME)?;
        Ok(self.store.name_incident(id, english.as_deref(), chinese.as_deref(), Timestamp::now()).await?)
    }

    /// Closes an incident although not all of its nodes are well. Nodes that stay as they are open no other.
    ///
    /// # Errors
    ///
    /// When no such incident is open, or the database fails.
    pub async fn close_incident(&self, id: IncidentId) -> Result<(), ServiceError> {
        Ok(self.store.close_incident(id, Timestamp::now()).await?)
    }
}
