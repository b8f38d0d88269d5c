//! Adding peers.

use super::write::{self, Author};
use crate::{
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
        let mut tx = self.db().begin().await?;
        metadata::bump_config_version(&mut tx).await?;
        if write::is_listed(&mut tx, spec, None).await? {
            return Err(Conflict::PeerListed.into());
        }
        let id = write::insert(&mut tx, &self.shared.key, spec, author, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Adds peers of the operator, all or none. Peers that are listed already stay unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn import_peers(&self, specs: &[PeerSpec], now: Timestamp) -> Result<ImportCounts, StoreError> {
        let mut counts = ImportCounts::default();
        let mut tx = self.db().begin().await?;
        metadata::bump_config_version(&mut tx).await?;
        for spec in specs {
            if write::is_listed(&mut tx, spec, None).await? {
                counts.known += 1;
            } else {
                write::insert(&mut tx, &self.shared.key, spec, Author::Operator, now).await?;
                counts.added += 1;
            }
        }
        tx.commit().await?;
        Ok(counts)
    }
}
