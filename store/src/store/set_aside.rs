//! Peers that are set aside: an instance that becomes a dependent keeps its own peers with their history, but they are neither
//! listed to anybody but the operator, nor checked, nor shared.

use super::metadata;
use crate::{db::Tx, error::StoreError};

/// Sets all peers aside.
pub(super) async fn all(tx: &mut Tx) -> Result<(), StoreError> {
    metadata::bump_config_version(tx).await?;
    tx.execute("UPDATE peers SET set_aside = TRUE WHERE NOT set_aside", vec![]).await.map(drop)
}

/// Watches the peers again that were set aside, unless the same address and network is watched. All peers are this instance's
/// own then.
pub(super) async fn none(tx: &mut Tx) -> Result<(), StoreError> {
    metadata::bump_config_version(tx).await?;
    let back = "UPDATE peers SET set_aside = FALSE WHERE set_aside AND NOT EXISTS (SELECT 1 FROM peers o \
                WHERE o.url = peers.url AND coalesce(o.network_name, '') = coalesce(peers.network_name, '') \
                AND NOT o.set_aside)";
    tx.execute(back, vec![]).await?;
    tx.execute("UPDATE peers SET from_primary = FALSE WHERE from_primary", vec![]).await.map(drop)
}
