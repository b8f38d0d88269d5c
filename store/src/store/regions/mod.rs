//! Regions: their ids and names, also those that they had; the list of them, another name, the end of one.

mod overview;
mod remove;
mod rename;

use super::duties::database_now;
use crate::{
    db::{Db, Tx, args, sql},
    domain::{Region, RegionId},
    error::StoreError,
};

/// The region with this name now.
const PRESENT: &str = "SELECT id FROM regions WHERE name = $1";

/// The region that had this name until lately.
macro_rules! former {
    ($engine:ident) => {
        concat!("SELECT f.region_id FROM former_regions f WHERE f.name = $1 AND f.until > ", database_now!($engine))
    };
}

/// The id of a region by its name, or one that it had until lately. It is added when it is new.
pub(super) async fn ensure(tx: &mut Tx, region: &Region) -> Result<RegionId, StoreError> {
    if let Some(id) = present(tx, region).await? {
        return Ok(id);
    }
    match tx.optional::<(RegionId,)>(sql!((former)), args![region.as_str()]).await? {
        Some((id,)) => Ok(id),
        None => ensure_present(tx, region).await,
    }
}

/// The id of the region that has this name now. It is added when it is new, also when another region had the name.
pub(super) async fn ensure_present(tx: &mut Tx, region: &Region) -> Result<RegionId, StoreError> {
    let insert = "INSERT INTO regions (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
    tx.execute(insert, args![region.as_str()]).await?;
    let (id,) = tx.one(PRESENT, args![region.as_str()]).await?;
    Ok(id)
}

async fn present(tx: &mut Tx, region: &Region) -> Result<Option<RegionId>, StoreError> {
    let row: Option<(RegionId,)> = tx.optional(PRESENT, args![region.as_str()]).await?;
    Ok(row.map(|(id,)| id))
}

/// The id of a region by its name, or one that it had until lately; `None` when it does not exist.
pub(super) async fn find(db: &Db, region: &Region) -> Result<Option<RegionId>, StoreError> {
    let present: Option<(RegionId,)> = db.optional(PRESENT, args![region.as_str()]).await?;
    match present {
        Some((id,)) => Ok(Some(id)),
        None => Ok(db.optional::<(RegionId,)>(sql!((former)), args![region.as_str()]).await?.map(|(id,)| id)),
    }
}
