//! Region names and their ids.

use super::{
    StoreError,
    engine::{Db, Tx, args},
};
use crate::model::{Region, RegionId};

/// The id of a region, which is made when it is new.
pub(super) async fn ensure(tx: &mut Tx, region: &Region) -> Result<RegionId, StoreError> {
    let insert = "INSERT INTO regions (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
    tx.execute(insert, args![region.as_str()]).await?;
    let (id,) = tx.one("SELECT id FROM regions WHERE name = $1", args![region.as_str()]).await?;
    Ok(id)
}

/// The id of a region that exists.
pub(super) async fn find(db: &Db, region: &Region) -> Result<Option<RegionId>, StoreError> {
    let row: Option<(RegionId,)> =
        db.optional("SELECT id FROM regions WHERE name = $1", args![region.as_str()]).await?;
    Ok(row.map(|(id,)| id))
}
