//! The audit log of a hub.

use easytier_uptime_hub::service::AuditPage;
use easytier_uptime_store::domain::{AuditEvent, AuditFilter, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError, admin};

/// A page of the audit log, as the API has it.
#[derive(Debug, Deserialize)]
pub struct Events {
    /// The newest first.
    pub events: Vec<Event>,
    /// Before which ID the next page begins; `None` on the last.
    pub next_before: Option<i64>,
}

/// An event of the audit log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: i64,
    pub at: Timestamp,
    pub kind: String,
    pub action: String,
    pub object_id: String,
    pub object_name: String,
    pub detail: String,
    pub actor: EventActor,
    pub source: String,
    pub count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct EventActor {
    pub kind: String,
    pub name: String,
}

impl From<AuditEvent> for Event {
    fn from(event: AuditEvent) -> Self {
        let AuditEvent { id, at, kind, action, object_id, object_name, detail, actor, source, count } = event;
        let actor = EventActor { kind: actor.kind.as_str().to_owned(), name: actor.name };
        Self { id, at, kind: kind.as_str().to_owned(), action, object_id, object_name, detail, actor, source, count }
    }
}

impl Desk {
    /// The newest events that a filter selects, at most `limit`.
    pub async fn events(&self, filter: &AuditFilter, limit: u32) -> Result<Events, DeskError> {
        match self {
            Self::Here(store) => {
                let AuditPage { events, next_before } = admin(store).audit(filter, limit).await?;
                Ok(Events { events: events.into_iter().map(Event::from).collect(), next_before })
            }
            Self::There(hub) => {
                let AuditFilter { kind, actor, object, search, before } = filter;
                let wanted = [
                    ("kind", kind.map(|kind| kind.as_str().to_owned())),
                    ("actor", actor.map(|actor| actor.as_str().to_owned())),
                    ("object", object.map(|object| object.as_str().to_owned())),
                    ("search", search.clone()),
                    ("before", before.map(|before| before.to_string())),
                    ("limit", Some(limit.to_string())),
                ];
                let query: Vec<_> = wanted.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                Ok(hub.get(&["admin", "events"], &query).await?)
            }
        }
    }
}
