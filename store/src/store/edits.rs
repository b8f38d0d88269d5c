//! Where objects that instances share may be edited: at a standalone instance, and at the primary unless it hands over. Every such
//! edit passes here, and is noted in the audit log.

use super::audit::{self, Change};
use crate::{
    db::{Tx, sql},
    domain::{Leader, Role},
    error::StoreError,
};

/// An edit that is allowed, and has to be noted.
#[must_use = "an edit is noted in the audit log"]
pub(super) struct Edit(());

impl Edit {
    /// Notes what was edited.
    pub async fn note(self, tx: &mut Tx, change: Change) -> Result<(), StoreError> {
        audit::note(tx, change).await
    }

    /// Notes nothing: nothing changed, or what a stranger asks for waits in a table of its own.
    pub fn skip(self) {}
}

/// To be called first in every transaction that edits an object that instances share. Until the end of the transaction the role
/// does not change.
///
/// # Errors
///
/// [`StoreError::NotPrimary`] at a dependent; [`StoreError::HandingOver`] at a primary that hands over; otherwise when the database
/// fails.
pub(super) async fn allow(tx: &mut Tx) -> Result<Edit, StoreError> {
    refusal(tx).await?.map_or(Ok(Edit(())), |refusal| Err(refusal.into_error(StoreError::NotPrimary)))
}

/// Like [`allow`], for what a probe asks for: at a dependent it is told to try again later.
///
/// # Errors
///
/// [`StoreError::NoRegistrations`] at a dependent; otherwise as [`allow`].
pub(super) async fn allow_registration(tx: &mut Tx) -> Result<Edit, StoreError> {
    refusal(tx).await?.map_or(Ok(Edit(())), |refusal| Err(refusal.into_error(StoreError::NoRegistrations)))
}

enum Refusal {
    Dependent(Leader),
    HandingOver,
}

impl Refusal {
    fn into_error(self, of_dependent: fn(Box<Leader>) -> StoreError) -> StoreError {
        match self {
            Self::Dependent(leader) => of_dependent(Box::new(leader)),
            Self::HandingOver => StoreError::HandingOver,
        }
    }
}

/// Why this instance takes no edits, if it takes none.
async fn refusal(tx: &mut Tx) -> Result<Option<Refusal>, StoreError> {
    let select = sql!(
        "SELECT role, accepts_edits, primary_id, primary_name, primary_url FROM instance WHERE id = 1",
        ["" | " FOR SHARE"]
    );
    let row: (String, bool, Option<String>, Option<String>, Option<String>) = tx.one(select, vec![]).await?;
    let (role, accepts_edits, id, name, url) = row;
    let corrupt = |column| StoreError::Corrupt(format!("instance.{column}"));
    if Role::from_name(&role).ok_or_else(|| corrupt("role"))? != Role::Dependent {
        return Ok((!accepts_edits).then_some(Refusal::HandingOver));
    }
    let id = id.and_then(|id| id.parse().ok()).ok_or_else(|| corrupt("primary_id"))?;
    Ok(Some(Refusal::Dependent(Leader { id, name: name.unwrap_or_default(), url })))
}
