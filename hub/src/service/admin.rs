//! Use cases of the operator: nodes, probes, settings.

use easytier_uptime_store::{
    Conflict, Store, StoreError,
    domain::{ImportCounts, LiveSetting, PeerId, PeerRecord, PeerSpec, Timestamp},
};

use super::{NodeChange, ServiceError, settings};
use crate::peer_file::{Candidate, Document};

/// The use cases of the operator. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    pub(super) store: Store,
}

/// The outcome of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// How many nodes were added.
    pub added: usize,
    /// How many of the added nodes wait for approval.
    pub waiting: usize,
    /// How many nodes were listed already; these are unchanged.
    pub known: usize,
}

/// Nodes.
impl Admin {
    /// The operator of `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Adds a node; it is approved at once.
    ///
    /// # Errors
    ///
    /// When it is listed already, or the database fails.
    pub async fn add_node(&self, spec: &PeerSpec) -> Result<PeerId, ServiceError> {
        Ok(self.store.add_peer(spec, Timestamp::now()).await?)
    }

    /// A node with everything that the operator may see.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn node(&self, id: PeerId) -> Result<PeerRecord, ServiceError> {
        Ok(self.store.peer(id).await?)
    }

    /// Changes a node.
    ///
    /// # Errors
    ///
    /// When a field is not valid, there is no such node, somebody changed it meanwhile, another node has the address and
    /// network, or the database fails.
    pub async fn change_node(&self, id: PeerId, change: NodeChange) -> Result<PeerRecord, ServiceError> {
        let seen = change.seen;
        let change = change.validate()?;
        let url = change.url(&self.store.peer(id).await?.spec.url)?;
        let edit = |spec: &mut PeerSpec| change.clone().apply(spec, url.clone());
        Ok(self.store.edit_seen_peer(id, seen, edit, Timestamp::now()).await?)
    }

    /// Lists a node: everybody sees it, and probes check it.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn approve_node(&self, id: PeerId) -> Result<(), ServiceError> {
        Ok(self.store.set_approved(id, true, Timestamp::now()).await?)
    }

    /// Takes a node off the list without deleting it.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn revoke_node(&self, id: PeerId) -> Result<(), ServiceError> {
        Ok(self.store.set_approved(id, false, Timestamp::now()).await?)
    }

    /// Deletes a node. Its id is never used again.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn remove_node(&self, id: PeerId) -> Result<(), ServiceError> {
        Ok(self.store.delete_peer(id, Timestamp::now()).await?)
    }

    /// Adds the operator's nodes, all or none; then the nodes that strangers had submitted, which remain submissions.
    /// Nodes that are listed already stay unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails. Submissions before the failure stay.
    pub async fn import_nodes(&self, candidates: Vec<Candidate>) -> Result<Done, ServiceError> {
        let now = Timestamp::now();
        let (own, submitted): (Vec<Candidate>, Vec<Candidate>) =
            candidates.into_iter().partition(|candidate| candidate.approved && !candidate.submitted);
        let own: Vec<PeerSpec> = own.into_iter().map(|candidate| candidate.spec).collect();
        let ImportCounts { added, known } = self.store.import_peers(&own, now).await?;
        let mut done = Done { added, known, waiting: 0 };
        for Candidate { spec, approved, .. } in submitted {
            match self.store.submit_peer(&spec, now).await {
                Ok(id) if approved => {
                    self.store.set_approved(id, true, now).await?;
                    done.added += 1;
                }
                Ok(_) => {
                    done.added += 1;
                    done.waiting += 1;
                }
                Err(StoreError::Conflict(Conflict::PeerListed)) => done.known += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    /// All nodes in the form that [`import_nodes`](Self::import_nodes) reads.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn export_nodes(&self, with_secrets: bool) -> Result<Vec<Document>, ServiceError> {
        let records = self.store.export_peers().await?;
        Ok(records.iter().map(|record| Document::of(record, with_secrets)).collect())
    }
}

/// Probes.
impl Admin {
    /// Deletes a probe that is offline: its tokens are revoked, and its `server_id` may be registered again. Its results
    /// stay.
    ///
    /// # Errors
    ///
    /// When there is no such probe, it is not offline, or the database fails.
    pub async fn remove_probe(&self, server_id: &str) -> Result<(), ServiceError> {
        Ok(self.store.remove_probe(server_id, Timestamp::now()).await?)
    }
}

/// Settings.
impl Admin {
    /// Changes the settings for which `text_of` returns a text; an empty text restores the configured value. `seen_of`: the
    /// text that the operator has seen; without it she has seen the current value.
    ///
    /// # Errors
    ///
    /// When a text is not valid, somebody changed the same setting since the operator has seen it, or the database fails. Then
    /// nothing is changed.
    pub async fn change_settings<'a>(
        &self,
        text_of: impl Fn(LiveSetting) -> Option<&'a str>,
        seen_of: impl Fn(LiveSetting) -> Option<&'a str>,
    ) -> Result<(), ServiceError> {
        let (mut seen, configured) = (self.store.live_settings(), self.store.configured_live_settings());
        let mut invalid = Vec::new();
        for setting in LiveSetting::ALL {
            let is_read = seen_of(setting).is_none_or(|text| settings::set(setting, &mut seen, text).is_ok());
            if !is_read {
                invalid.push(setting);
            }
        }
        let mut wanted = seen;
        for setting in LiveSetting::ALL {
            let Some(text) = text_of(setting).map(str::trim) else { continue };
            let value = match text {
                "" => settings::format(setting, &configured).unwrap_or_default(),
                text => text.to_owned(),
            };
            if settings::set(setting, &mut wanted, &value).is_err() {
                invalid.push(setting);
            }
        }
        if !invalid.is_empty() {
            return Err(ServiceError::InvalidSettings(invalid));
        }
        Ok(self.store.change_seen_settings(&seen, &wanted, Timestamp::now()).await?)
    }
}
