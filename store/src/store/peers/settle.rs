//! What becomes of submissions when their node is listed.

use std::collections::HashSet;

use super::identity::Identity;
use crate::{
    db::{Tx, args, sql},
    domain::PeerSpec,
    error::StoreError,
};

/// Removes the submissions of peers that were added: they have what they asked for.
pub(in crate::store) async fn settle(tx: &mut Tx, added: &[&PeerSpec]) -> Result<(), StoreError> {
    let added: HashSet<Identity> = added.iter().map(|spec| Identity::of(spec)).collect();
    let urls: Vec<String> = added.iter().map(|of| of.url.clone()).collect();
    let select = sql!("SELECT id, url, coalesce(network_name, '') FROM submissions WHERE url ", (in 1));
    let waiting: Vec<(i64, String, String)> = tx.all(select, args![urls]).await?;
    let settled = waiting
        .into_iter()
        .filter(|(_, url, network)| added.contains(&Identity { url: url.clone(), network: network.clone() }));
    let ids: Vec<i64> = settled.map(|(id, ..)| id).collect();
    tx.execute(sql!("DELETE FROM submissions WHERE id ", (in 1)), args![ids]).await.map(drop)
}
