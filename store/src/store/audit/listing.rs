//! What the audit log says.

use crate::{
    db::{args, sql},
    domain::{Actor, ActorKind, AuditEvent, AuditFilter, AuditKind, AuditObject, Timestamp},
    error::StoreError,
    store::{Store, rows},
};

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: i64,
    at: Timestamp,
    kind: String,
    action: String,
    object_id: String,
    object_name: String,
    detail: String,
    actor: String,
    actor_name: String,
    source: String,
    count: i64,
}

impl AuditRow {
    /// Who wrote a kind of actor that this program does not know is a newer hub on the same database.
    fn into_event(self) -> Result<AuditEvent, StoreError> {
        let kind = AuditKind::from_name(&self.kind)
            .ok_or_else(|| StoreError::Corrupt(format!("audit.kind of {}", self.id)))?;
        Ok(AuditEvent {
            id: self.id,
            at: self.at,
            kind,
            action: self.action,
            object_id: self.object_id,
            object_name: self.object_name,
            detail: self.detail,
            actor: Actor::new(ActorKind::from_name(&self.actor).unwrap_or(ActorKind::Anyone), self.actor_name),
            source: self.source,
            count: rows::count(self.count),
        })
    }
}

impl Store {
    /// At most `limit` events of the audit log that a filter selects, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audit_events(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let AuditFilter { kind, actor, object, search, before } = filter;
        let select = sql!(
            "SELECT id, at, kind, action, object_id, object_name, detail, actor, actor_name, source, count FROM audit \
             WHERE id < $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR actor = $3) \
             AND ($4 IS NULL OR (kind = 'change' AND action LIKE $4)) \
             AND ($5 IS NULL OR lower(object_id || ' ' || object_name || ' ' || detail || ' ' || actor_name || ' ' || source) \
             LIKE $5 ESCAPE '\\') ORDER BY id DESC LIMIT $6"
        );
        let parameters = args![
            before.unwrap_or(i64::MAX),
            kind.map(AuditKind::as_str),
            actor.map(ActorKind::as_str),
            object.map(|object| format!("{}.%", AuditObject::as_str(object))),
            search.as_deref().map(rows::contains),
            i64::from(limit.max(1)),
        ];
        let rows: Vec<AuditRow> = self.db().all(select, parameters).await?;
        rows.into_iter().map(AuditRow::into_event).collect()
    }
}
