//! The ids of peers, which are the same in all instances.

use crate::{
    db::{Tx, args, sql},
    error::StoreError,
};

/// The highest id that a peer ever had here.
pub(super) async fn highest(tx: &mut Tx) -> Result<i64, StoreError> {
    let select = sql!(["SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'peers'), 0)"
        | "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM peers_id_seq"]);
    tx.one::<(i64,)>(select, vec![]).await.map(|(id,)| id)
}

/// Keeps the ids up to `id` from being given to new peers. The transaction holds the lock of the list of peers, so nobody adds
/// one meanwhile.
pub(super) async fn reserve(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    if highest(tx).await? >= id {
        return Ok(());
    }
    let raise =
        sql!(["UPDATE sqlite_sequence SET seq = $1 WHERE name = 'peers' RETURNING seq"
            | "SELECT setval('peers_id_seq', $1)"]);
    if tx.optional::<(i64,)>(raise, args![id]).await?.is_none() {
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('peers', $1)", args![id]).await?;
    }
    Ok(())
}
