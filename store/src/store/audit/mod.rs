//! The audit log. A change is noted in the transaction that makes it, so that there is none without the other.

mod failures;
mod listing;

use std::fmt::Display;

pub(super) use self::failures::{Failures, MAX_FAILURES};
use super::{duties::database_now, rows::without_nul};
use crate::{
    acting,
    db::{Db, Sql, Tx, Value, args, sql, work},
    domain::{Actor, AuditObject, AuditVerb},
    error::StoreError,
};

/// The longest name and detail, in characters; what is longer is cut.
const MAX_TEXT: usize = 200;

/// A change to note. It holds no secret: names and ids of objects, and which of their fields changed.
#[derive(Debug, Clone)]
pub(super) struct Change {
    object: AuditObject,
    verb: AuditVerb,
    id: String,
    name: String,
    detail: String,
}

impl Change {
    pub fn of(object: AuditObject, verb: AuditVerb) -> Self {
        Self { object, verb, id: String::new(), name: String::new(), detail: String::new() }
    }

    /// Of the object with this id.
    pub fn id(self, id: impl Display) -> Self {
        Self { id: id.to_string(), ..self }
    }

    /// Of the object with this name.
    pub fn named(self, name: impl Display) -> Self {
        Self { name: name.to_string(), ..self }
    }

    /// With what else is to be known about it.
    pub fn detail(self, detail: impl Display) -> Self {
        Self { detail: detail.to_string(), ..self }
    }
}

/// Notes a change on behalf of whom the task acts for.
pub(super) async fn note(tx: &mut Tx, change: Change) -> Result<(), StoreError> {
    let (actor, from) = acting::current();
    insert(tx, &actor, from.map(|address| address.to_canonical().to_string()), change).await
}

/// Notes a change on behalf of somebody else.
pub(super) async fn note_by(tx: &mut Tx, actor: &Actor, change: Change) -> Result<(), StoreError> {
    insert(tx, actor, None, change).await
}

async fn insert(tx: &mut Tx, actor: &Actor, source: Option<String>, change: Change) -> Result<(), StoreError> {
    let insert = sql!(
        "INSERT INTO audit (at, kind, action, object_id, object_name, detail, actor, actor_name, source, count) VALUES (",
        (database_now),
        ", 'change', $1, $2, $3, $4, $5, $6, $7, 1)"
    );
    let Change { object, verb, id, name, detail } = change;
    let parameters = args![
        format!("{}.{}", object.as_str(), verb.as_str()),
        cut(&id),
        cut(&name),
        cut(&detail),
        actor.kind.as_str(),
        cut(&actor.name),
        source.unwrap_or_default(),
    ];
    tx.execute(insert, parameters).await.map(drop)
}

/// Runs a statement that changes an object, and notes it; [`StoreError::NotFound`] when it changes none.
pub(super) async fn change_one(
    db: &Db,
    statement: impl Into<Sql>,
    parameters: Vec<Value>,
    missing: &'static str,
    change: Change,
) -> Result<(), StoreError> {
    let (statement, parameters, change) = (statement.into(), &parameters, &change);
    db.transaction(|tx| {
        work(async move {
            match tx.execute(statement, parameters.clone()).await? {
                0 => Err(StoreError::NotFound(missing)),
                _ => note(tx, change.clone()).await,
            }
        })
    })
    .await
}

fn cut(text: &str) -> String {
    without_nul(text).chars().take(MAX_TEXT).collect()
}
