//! The hashes of contents when the database gets another key.

use super::{
    capture::{self, capture},
    records,
};
use crate::{
    crypto::HubKey,
    db::{Tx, args},
    domain::{ObjectState, Timestamp},
    error::StoreError,
};

/// Hashes the contents with the new key, after what was changed here has got its versions by the old one. So nothing looks changed
/// afterwards.
pub(in crate::store) async fn hash_again(
    tx: &mut Tx,
    old: &HubKey,
    new: &HubKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    // An instance that never exchanged anything knows no hashes.
    if records::all(tx).await?.is_empty() {
        return Ok(());
    }
    let captured = capture(tx, old, Some(now)).await?;
    // Those of what was deleted are compared with nothing.
    tx.execute("UPDATE synced_objects SET digest = $1 WHERE deleted_at IS NOT NULL", args![Vec::<u8>::new()]).await?;
    let update = "UPDATE synced_objects SET digest = $3 WHERE kind = $1 AND uid = $2";
    for (key, held) in &captured.held {
        if let ObjectState::Present(content) = &held.object.state {
            tx.execute(update, args![key.kind.as_str(), key.uid.as_str(), capture::digest(new, content)]).await?;
        }
    }
    Ok(())
}
