//! What a dependent takes from its primary, and gives to it: configuration, results and heartbeats.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use easytier_probe::Status;
use easytier_uptime_store::domain::{ForeignResult, Instance, InstanceHealth, MergePartner, Timestamp};

use super::{
    client::Fetched,
    convert,
    link::Link,
    members, mirror, results as sent,
    tools::{StepError, Tools},
    wire::{ConnectionStatus, Heartbeat, HeartbeatReceipt, MAX_RESULTS, SyncState, SyncStatus},
};

/// A dependent at work, as long as it follows one primary.
pub struct Follower<'a> {
    link: &'a Link<'a>,
    /// The tag of the configuration that this instance holds.
    tag: Option<String>,
    /// Whether this instance has taken the primary's configuration since it began to follow.
    synchronised: bool,
    sync_errors: u64,
}

/// What is left to do, and need not wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    /// The primary has more results.
    pub to_mirror: bool,
    /// There are more results that the primary does not have.
    pub to_send: bool,
}

impl<'a> Follower<'a> {
    /// Begins to follow.
    pub fn new(link: &'a Link<'a>) -> Self {
        Self { link, tag: None, synchronised: false, sync_errors: 0 }
    }

    /// Takes the primary's configuration if it changed, and what the primary knows about the others; mirrors its results when
    /// this instance is one of the first in the order.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or its configuration cannot be adopted. The error is stored for the operator.
    pub async fn synchronise(&mut self) -> Result<(), StepError> {
        let outcome = self.fetch().await;
        match &outcome {
            Ok(()) => (self.synchronised, self.sync_errors) = (true, 0),
            Err(error) => {
                self.sync_errors += 1;
                self.link.tools.store.note_sync_error(&error.to_string()).await?;
            }
        }
        self.link.tools.status.update(|status| status.sync_errors = self.sync_errors);
        outcome
    }

    async fn fetch(&mut self) -> Result<(), StepError> {
        let Tools { store, client, .. } = self.link.tools;
        let tag = self.tag.clone();
        let fetched =
            self.link.with_token(async |url, token| client.configuration(url, token, tag.as_deref()).await).await?;
        let now = Timestamp::now();
        match fetched {
            Fetched::NotModified => store.note_synced(store.instance().await?.config, now).await?,
            Fetched::Changed(configuration, tag) => {
                members::check(&store.instance().await?, configuration.cluster_id, configuration.epoch)?;
                let theirs = convert::shared_config(&configuration, &store.sealing_key().await?)?;
                let adopted = store.adopt(&theirs, MergePartner::Primary, now).await?;
                store.note_synced(adopted.version, now).await?;
                tracing::debug!(changed = adopted.changed, version = %adopted.version, "adopted the primary's configuration");
                if adopted.lost > 0 {
                    tracing::warn!(changes = adopted.lost, "changes that were made here lost to the primary's");
                }
                self.tag = tag;
            }
        }
        let instances = self.link.with_token(async |url, token| client.instances(url, token).await).await?;
        members::note_instances(store, &instances).await?;
        Ok(())
    }

    /// Mirrors a page of the primary's results. Returns whether there are more.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or the database fails.
    pub async fn mirror(&self) -> Result<bool, StepError> {
        match mirror::is_wanted(self.link.tools).await? {
            // Boxed, because it is large, and a part of several futures.
            true => Box::pin(mirror::take(self.link)).await,
            false => Ok(false),
        }
    }

    /// Sends a heartbeat with at most 5,000 results that the primary does not have; returns whether there are more. It has no
    /// results before the first synchronisation: those of a peer that was deleted here, and that the primary still has, are left
    /// out as long as it is not back.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or the database fails.
    pub async fn beat(&mut self) -> Result<bool, StepError> {
        let Tools { store, client, .. } = self.link.tools;
        let from = store.forwarded_row().await?;
        let (mut results, next) = match self.synchronised {
            true => store.results_after(from, MAX_RESULTS as u32, store.forwards_all(from).await?).await?,
            false => (Vec::new(), from),
        };
        if client.is_ours(self.link.url()) == Some(false) {
            // Other programs know no third status, and would take it for a failure of the peer.
            results.retain(|one| one.result.status != Status::Unknown);
        }
        let beat = &self.heartbeat(&store.instance().await?, &results).await?;
        let receipt = self.link.with_token(async |url, token| client.heartbeat(url, token, beat).await).await?;
        let HeartbeatReceipt { rejected, .. } = receipt;
        if let Some(first) = rejected.first() {
            tracing::warn!(results = rejected.len(), reason = %first.reason, "the primary refuses results");
        }
        // The primary may know their peers later: when this instance followed another one before, that one hands in its configuration.
        let unknown = rejected.iter().filter(|one| one.is_of_unknown_peer()).filter_map(|one| results.get(one.index));
        let unknown: BTreeSet<String> = unknown.map(|one| one.peer_uid.clone()).collect();
        if !unknown.is_empty() {
            store.note_refused(unknown, from).await?;
        }
        if next > from {
            // Within the request this instance may have registered again, and begun anew.
            store.advance_forwarded_row(from, next).await?;
        }
        // Rows without a name for others are left out, so a short page may have more behind it.
        Ok(next > from && next < store.newest_result().await?)
    }

    /// Does a part of everything when the primary is handing over to this instance; otherwise sends results that the primary does not
    /// have.
    ///
    /// # Errors
    ///
    /// When the primary does not answer, or the database fails.
    pub async fn look(&mut self) -> Result<Left, StepError> {
        let Tools { store, status, .. } = self.link.tools;
        if status.get().handing_over_to == Some(store.instance().await?.id) {
            self.synchronise().await?;
            let to_mirror = self.mirror().await?;
            return Ok(Left { to_mirror, to_send: self.beat().await? });
        }
        let has_news = self.synchronised && store.newest_result().await? > store.forwarded_row().await?;
        Ok(Left { to_send: has_news && self.beat().await?, ..Left::default() })
    }

    async fn heartbeat(&self, instance: &Instance, results: &[ForeignResult]) -> Result<Heartbeat, StepError> {
        let Tools { store, status, machine, .. } = self.link.tools;
        let system_metrics = self.link.tools.load().await?;
        let reachable = status.get().primary_reachable.unwrap_or(true);
        let synced_at = instance.synced_at.map(DateTime::<Utc>::from);
        let (health, state) = match (&instance.sync_error, synced_at) {
            (Some(_), _) => (InstanceHealth::Degraded, SyncState::Error),
            (None, Some(_)) => (InstanceHealth::Healthy, SyncState::Synced),
            (None, None) => (InstanceHealth::Healthy, SyncState::Pending),
        };
        Ok(Heartbeat {
            instance_id: instance.id,
            timestamp: Timestamp::now().into(),
            status: health,
            uptime: machine.uptime().as_secs(),
            monitoring_results: results.iter().map(|result| sent::to_wire(result, instance.id)).collect(),
            system_metrics,
            connection_status: ConnectionStatus {
                primary_reachable: reachable,
                last_sync_success: synced_at,
                sync_errors: self.sync_errors,
            },
            sync_status: Some(SyncStatus {
                status: state,
                last_synced: synced_at,
                config_hash: self.tag.clone(),
                sync_version: Some(instance.config.to_string()),
                error_message: instance.sync_error.clone(),
            }),
            mirrored: store.mirror_position().await?,
            epoch: instance.epoch,
        })
    }
}
