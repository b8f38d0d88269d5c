//! Regions and their ids.

use crate::{
    db::{Db, Tx, args},
    domain::{Region, RegionId},
    error::StoreError,
};

/// The id of a region, which is added when it is new.
pub(super) async fn ensure(tx: &mut Tx, region: &Region) -> Result<RegionId, StoreError> {
    let insert = "INSERT INTO regions (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
    tx.execute(insert, args![region.as_str()]).await?;
    let (id,) = tx.one("SELECT id FROM regions WHERE name = $1", args![region.as_str()]).await?;
    Ok(id)
}

/// The id of a region; `None` when it does not exist.
pub(super) async fn find(db: &Db, region: &Region) -> Result<Option<RegionId>, StoreError> {
    let row: Option<(RegionId,)> =
        db.optional("SELECT id FROM regions WHERE name = $1", args![region.as_str()]).await?;
    Ok(row.map(|(id,)| id))
}
