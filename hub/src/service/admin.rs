//! Use cases of the operator: nodes, probes, settings.

use easytier_uptime_store::{
    Store, StoreError,
    domain::{ImportCounts, LiveSetting, NewPeer, Page, PageRequest, PeerFilter, PeerId, PeerSpec, Timestamp},
};

use super::{
    FieldError, FieldProblem, NodeChange, ServiceError,
    entry::{Entry, NodeId},
    settings::{self, SharedSetting},
};
use crate::peer_file::Document;

/// The use cases of the operator. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    pub(super) store: Store,
}

/// Nodes.
impl Admin {
    /// The operator of `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Adds a node; it is approved at once. Submissions of the same node leave the queue.
    ///
    /// # Errors
    ///
    /// When it is listed already, or the database fails.
    pub async fn add_node(&self, spec: &PeerSpec) -> Result<PeerId, ServiceError> {
        Ok(self.store.add_peer(spec, Timestamp::now()).await?)
    }

    /// Adds a node of these fields, of which the host is required; it is approved at once.
    ///
    /// # Errors
    ///
    /// When a field is missing or not valid, the node is listed already, or the database fails.
    pub async fn create_node(&self, node: NodeChange) -> Result<PeerId, ServiceError> {
        self.add_node(&node.validate()?.into_spec()?).await
    }

    /// A node with everything that the operator may see.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn node(&self, id: NodeId) -> Result<Entry, ServiceError> {
        Ok(Entry::read(&self.store, id).await?)
    }

    /// One page of all nodes that a filter selects; those that wait for approval come first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn nodes(&self, filter: &PeerFilter, page: PageRequest) -> Result<Page<Entry>, ServiceError> {
        Ok(Entry::page(&self.store, filter, page).await?)
    }

    /// Changes a node.
    ///
    /// # Errors
    ///
    /// When a field is not valid, there is no such node, somebody changed it meanwhile, another peer has the address and
    /// network of a peer, or the database fails.
    pub async fn change_node(&self, id: NodeId, change: NodeChange) -> Result<(), ServiceError> {
        let (seen, now) = (change.seen, Timestamp::now());
        let change = change.validate()?;
        let url = change.url(&self.node(id).await?.spec().url)?;
        let edit = |spec: &mut PeerSpec| change.clone().apply(spec, url.clone());
        match id {
            NodeId::Pending(id) => self.store.edit_submission(id, seen, edit, now).await?,
            NodeId::Peer(id) => self.store.edit_seen_peer(id, seen, edit, now).await.map(drop)?,
        }
        Ok(())
    }

    /// Lists a node: everybody sees it, and probes check it. Returns its id, which a submission gets now.
    ///
    /// # Errors
    ///
    /// When there is no such node, a peer has the address and network of the submission, or the database fails.
    pub async fn approve_node(&self, id: NodeId) -> Result<PeerId, ServiceError> {
        let now = Timestamp::now();
        Ok(match id {
            NodeId::Pending(id) => self.store.approve_submission(id, now).await?,
            NodeId::Peer(id) => self.store.set_approved(id, true, now).await.map(|()| id)?,
        })
    }

    /// Takes a node off the list without deleting it. A submission is not on it and stays where it is.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn revoke_node(&self, id: NodeId) -> Result<(), ServiceError> {
        match id {
            NodeId::Pending(id) => self.store.submission(id).await.map(drop)?,
            NodeId::Peer(id) => self.store.set_approved(id, false, Timestamp::now()).await?,
        }
        Ok(())
    }

    /// Has a peer checked and shared again that was set aside when this instance became dependent.
    ///
    /// # Errors
    ///
    /// When no such peer is set aside, another peer has its address and network, or the database fails.
    pub async fn watch_node(&self, id: NodeId) -> Result<(), ServiceError> {
        let NodeId::Peer(id) = id else { return Err(StoreError::NotFound("peer").into()) };
        Ok(self.store.watch_peer(id, Timestamp::now()).await?)
    }

    /// Deletes a peer, whose id is never used again, or rejects a submission.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the database fails.
    pub async fn remove_node(&self, id: NodeId) -> Result<(), ServiceError> {
        match id {
            NodeId::Pending(id) => self.store.reject_submission(id).await?,
            NodeId::Peer(id) => self.store.delete_peer(id, Timestamp::now()).await?,
        }
        Ok(())
    }

    /// Adds nodes, all or none. Submissions of the same nodes leave the queue; nodes that are listed already stay
    /// unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails. Importing the same nodes again adds only those that are missing.
    pub async fn import_nodes(&self, nodes: &[NewPeer]) -> Result<ImportCounts, ServiceError> {
        Ok(self.store.import(nodes, Timestamp::now()).await?)
    }

    /// Which of these nodes [`import_nodes`](Self::import_nodes) would add; the others are listed already.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn importable(&self, nodes: &[NewPeer]) -> Result<Vec<bool>, ServiceError> {
        Ok(self.store.importable(nodes).await?)
    }

    /// All peers in the form that [`import_nodes`](Self::import_nodes) takes; submissions are not among them.
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
    /// The settings that all hubs on the database share.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn shared_settings(&self) -> Result<Vec<SharedSetting>, ServiceError> {
        let stored = self.store.stored_settings().await?;
        let shared = LiveSetting::ALL.into_iter().filter(|setting| setting.is_shared());
        Ok(shared.map(|setting| self.shown(setting, &stored)).collect())
    }

    /// Changes a shared setting to the value of `text`, or to what is configured. Returns what it was, and what it is.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Field`] when the text is not valid; otherwise like [`Admin::change_settings`].
    pub async fn change_shared_setting(
        &self,
        setting: LiveSetting,
        text: Option<&str>,
    ) -> Result<(SharedSetting, SharedSetting), ServiceError> {
        if let Some(text) = text {
            settings::set(setting, &mut self.store.live_settings(), text)
                .map_err(|valid| FieldError::new("value", FieldProblem::Malformed(valid)))?;
        }
        let before = self.shared_setting(setting).await?;
        let text_of = |one: LiveSetting| (one == setting).then_some(text.unwrap_or_default());
        self.change_settings(text_of, |_| None).await?;
        Ok((before, self.shared_setting(setting).await?))
    }

    async fn shared_setting(&self, setting: LiveSetting) -> Result<SharedSetting, ServiceError> {
        Ok(self.shown(setting, &self.store.stored_settings().await?))
    }

    /// A setting. `stored`: those of which the database has a value, and since when.
    fn shown(&self, setting: LiveSetting, stored: &[(LiveSetting, Timestamp)]) -> SharedSetting {
        let text = |settings| settings::format(setting, &settings).unwrap_or_default();
        SharedSetting {
            setting,
            value: text(self.store.live_settings()),
            default: text(self.store.configured_live_settings()),
            changed_at: stored.iter().find(|(one, _)| *one == setting).map(|(_, at)| *at),
        }
    }

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
