//! The stored evidence of peers, from which their consensus follows.

use std::collections::BTreeSet;

use super::{Store, watched::is_watched};
use crate::{
    consensus::State,
    db::{self, Tx, args, sql},
    domain::PeerId,
    error::StoreError,
};

/// The evidence of approved peers; a further condition may follow.
macro_rules! select_evidence {
    () => {
        concat!(
            "SELECT s.peer_id, s.evidence FROM peer_states s JOIN peers p ON p.id = s.peer_id WHERE ",
            is_watched!(both)
        )
    };
}

/// The evidence of approved peers with the ids that follow.
macro_rules! select_evidence_of {
    ($engine:ident) => {
        concat!(select_evidence!(), " AND p.id ")
    };
}

impl Store {
    /// The consensus of an approved peer; [`StoreError::NotFound`] when there is no such peer.
    pub(super) async fn consensus_of(&self, id: PeerId) -> Result<State, StoreError> {
        let select = concat!(select_evidence!(), " AND p.id = $1");
        let row: Option<(PeerId, String)> = self.db().optional(select, args![id]).await?;
        let (id, evidence) = row.ok_or(StoreError::NotFound("node"))?;
        decode(id, &evidence)
    }

    /// The consensus of those of these peers that are approved, in any order.
    pub(super) async fn consensus_of_all(&self, ids: &[PeerId]) -> Result<Vec<(PeerId, State)>, StoreError> {
        let select = sql!((select_evidence_of), (in 1));
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<(PeerId, String)> = self.db().all(select, args![ids]).await?;
        rows.into_iter().map(|(id, evidence)| Ok((id, decode(id, &evidence)?))).collect()
    }

    /// The consensus of every approved peer, in any order.
    pub(super) async fn all_consensus(&self) -> Result<Vec<(PeerId, State)>, StoreError> {
        let rows: Vec<(PeerId, String)> = self.db().all(select_evidence!(), vec![]).await?;
        rows.into_iter().map(|(id, evidence)| Ok((id, decode(id, &evidence)?))).collect()
    }
}

/// The consensus of every approved peer but these, in any order, as the transaction sees it.
pub(super) async fn all_but(tx: &mut Tx, peers: &BTreeSet<PeerId>) -> Result<Vec<(PeerId, State)>, StoreError> {
    let rows: Vec<(PeerId, String)> = tx.all(select_evidence!(), vec![]).await?;
    let others = rows.into_iter().filter(|(id, _)| !peers.contains(id));
    others.map(|(id, evidence)| Ok((id, decode(id, &evidence)?))).collect()
}

pub(super) fn decode(peer: PeerId, json: &str) -> Result<State, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("peer_states.evidence of {peer}: {error}")))
}

pub(super) fn encode(state: &State) -> Result<String, StoreError> {
    Ok(db::json(state)?)
}
