//! Adding peers.

use super::write::{self, Author};
use crate::{
    db::work,
    domain::{ImportCounts, PeerId, PeerSpec, Timestamp},
    error::{Conflict, StoreError},
    store::{Store, metadata},
};

impl Store {
    /// Adds a peer of the operator. It is approved at once.
    ///
    /// # Errors
    ///
    /// [`Conflict::PeerListed`] when another peer has the same URL and network; otherwise when the database fails.
    pub async fn add_peer(&self, spec: &PeerSpec, now: Timestamp) -> Result<PeerId, StoreError> {
        self.add(spec, Author::Operator, now).await
    }

    /// Adds a peer of a stranger. It waits for approval.
    ///
    /// # Errors
    ///
    /// [`Conflict::PeerListed`] when another peer has the same URL and network; otherwise when the database fails.
    pub async fn submit_peer(&self, spec: &PeerSpec, now: Timestamp) -> Result<PeerId, StoreError> {
        self.add(spec, Author::Stranger, now).await
    }

    async fn add(&self, spec: &PeerSpec, author: Author, now: Timestamp) -> Result<PeerId, StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    metadata::bump_config_version(tx).await?;
                    if write::is_listed(tx, spec, None).await? {
                        return Err(Conflict::PeerListed.into());
                    }
                    write::insert(tx, &self.shared.key, spec, author, now).await
                })
            })
            .await
    }

    /// Adds peers of the operator, all or none. Peers that are listed already stay unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn import_peers(&self, specs: &[PeerSpec], now: Timestamp) -> Result<ImportCounts, StoreError> {
        self.db()
            .transaction(|tx| {
                work(async move {
                    let mut counts = ImportCounts::default();
                    metadata::bump_config_version(tx).await?;
                    for spec in specs {
                        if write::is_listed(tx, spec, None).await? {
                            counts.known += 1;
                        } else {
                            write::insert(tx, &self.shared.key, spec, Author::Operator, now).await?;
                            counts.added += 1;
                        }
                    }
                    Ok(counts)
                })
            })
            .await
    }
}
