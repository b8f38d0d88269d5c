//! Use cases of the operator: nodes, probes, credentials, settings.

use easytier_uptime_store::{
    Conflict, Store, StoreError,
    domain::{
        Credential, CredentialId, CredentialKind, ImportCounts, IssuedToken, LiveSetting, PeerId, PeerRecord, PeerSpec,
        Region, Timestamp,
    },
};

use super::{FieldError, FieldProblem, NodeChange, ServiceError, settings};
use crate::peer_file::{Candidate, Document};

/// The maximum length of the name of a token or key, in characters.
pub const MAX_NAME: usize = 128;

/// The use cases of the operator. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    store: Store,
}

/// A token or key to create.
#[derive(Debug, Clone)]
pub struct CredentialRequest {
    /// The kind of the token or key.
    pub kind: CredentialKind,
    /// The name in lists: 1 to [`MAX_NAME`] characters in one line.
    pub name: String,
    /// For a node token: the probe's own id. If it is `None`, the token takes the id under which the probe first reports.
    pub server_id: Option<String>,
    /// For a node token: the probe's region, `default` if it is `None`. For an enrollment key: the only region in which it
    /// enrolls probes, any region if it is `None`.
    pub region: Option<Region>,
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
    /// When a field is not valid, there is no such node, another node has the address and network, or the database fails.
    pub async fn change_node(&self, id: PeerId, change: NodeChange) -> Result<PeerRecord, ServiceError> {
        let change = change.validate()?;
        let url = change.url(&self.store.peer(id).await?.spec.url)?;
        let edit = |spec: &mut PeerSpec| change.clone().apply(spec, url.clone());
        Ok(self.store.edit_peer(id, edit, Timestamp::now()).await?)
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

/// Probes and credentials.
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

    /// Creates a token or key. The token is returned only here; it cannot be read again.
    ///
    /// # Errors
    ///
    /// When the name is not valid, a probe of this `server_id` is in another region, or the database fails.
    pub async fn issue(&self, request: CredentialRequest) -> Result<IssuedToken, ServiceError> {
        let CredentialRequest { kind, name, server_id, region } = request;
        let (name, now) = (check_name(&name)?, Timestamp::now());
        let issued = match kind {
            CredentialKind::Node => {
                self.store.create_node_token(name, server_id.as_deref(), &region.unwrap_or_default(), now).await
            }
            CredentialKind::Api => self.store.create_api_key(name, now).await,
            CredentialKind::Enrollment => self.store.create_enrollment_key(name, region.as_ref(), now).await,
        };
        Ok(issued?)
    }

    /// The tokens or keys of a kind, including revoked ones, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(&self, kind: CredentialKind) -> Result<Vec<Credential>, ServiceError> {
        Ok(self.store.credentials(kind).await?)
    }

    /// Revokes a token or key, at once and for ever.
    ///
    /// # Errors
    ///
    /// When there is no such credential or it is revoked already, or the database fails.
    pub async fn revoke(&self, kind: CredentialKind, id: CredentialId) -> Result<(), ServiceError> {
        Ok(self.store.revoke_credential(kind, id, Timestamp::now()).await?)
    }
}

/// Settings.
impl Admin {
    /// Changes the settings for which `text_of` returns a text; an empty text restores the configured value.
    ///
    /// # Errors
    ///
    /// When a text is not valid, or the database fails. Then nothing is changed.
    pub async fn change_settings<'a>(
        &self,
        text_of: impl Fn(LiveSetting) -> Option<&'a str>,
    ) -> Result<(), ServiceError> {
        let (mut wanted, configured) = (self.store.live_settings(), self.store.configured_live_settings());
        let mut invalid = Vec::new();
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
        Ok(self.store.change_live_settings(&wanted, Timestamp::now()).await?)
    }
}

/// The name of a token or key, without the space around it.
fn check_name(name: &str) -> Result<&str, FieldError> {
    let name = name.trim();
    match (1..=MAX_NAME).contains(&name.chars().count()) && !name.contains(char::is_control) {
        true => Ok(name),
        false => Err(FieldError::new("name", FieldProblem::NoName { max: MAX_NAME })),
    }
}
