//! What other instances ask of this one: to register, to tell that they live, to share configuration and results, and who leads.

mod configuration;
mod error;
mod heartbeat;
mod leadership;
mod order;
mod overview;
mod place;
mod registration;
mod views;

use std::sync::{Arc, Mutex};

use easytier_probe::Secret;
use easytier_uptime_store::{
    Store,
    domain::{ClusterId, Instance, InstanceId, Member, Role, SharedConfig, Timestamp},
};

pub use self::{error::SyncRefusal, order::Step, overview::Overview};
use crate::instance::{InstanceOptions, SharedStatus};

/// The longest location, version, address or message, in characters.
const MAX_TEXT: usize = 255;

/// The settings and the runtime of this instance.
#[derive(Debug, Clone)]
pub struct OwnInstance {
    /// The settings.
    pub options: Arc<InstanceOptions>,
    /// What the runtime knows.
    pub status: SharedStatus,
}

impl OwnInstance {
    /// Whether another instance was heard from lately. A dependent asks its primary more often than it hears of the others.
    pub fn hears(&self, member: &Member, now: Timestamp) -> bool {
        let is_lost = member.role == Role::Primary && self.status.get().primary_reachable == Some(false);
        !is_lost && views::is_active(member, self.options.heartbeat_interval, now)
    }
}

impl Default for OwnInstance {
    /// For a hub that never joins a cluster.
    fn default() -> Self {
        Self { options: Arc::new(InstanceOptions::named("hub")), status: SharedStatus::default() }
    }
}

/// A configuration and its hash.
type Hashed = (Arc<SharedConfig>, String);

/// The use cases of instances.
#[derive(Clone)]
pub struct Instances {
    store: Store,
    own: OwnInstance,
    /// The configuration that was hashed last, and the first digits of its hash.
    last_hash: Arc<Mutex<Option<Hashed>>>,
}

impl Instances {
    /// The use cases over a store.
    pub fn new(store: Store, own: OwnInstance) -> Self {
        Self { store, own, last_hash: Arc::default() }
    }

    /// This instance.
    pub fn own(&self) -> &OwnInstance {
        &self.own
    }

    /// The secret that all instances of the cluster know.
    pub fn secret(&self) -> Option<&Secret> {
        self.own.options.secret.as_ref()
    }

    /// The instance of a presented token.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn of_token(&self, token: &str) -> Result<Option<InstanceId>, SyncRefusal> {
        Ok(self.store.authenticate_instance(token, Timestamp::now()).await?)
    }

    /// Refuses everything at an instance that belongs to no cluster.
    ///
    /// # Errors
    ///
    /// [`SyncRefusal::standalone`].
    pub async fn require_cluster(&self) -> Result<(), SyncRefusal> {
        self.clustered().await.map(drop)
    }

    /// Refuses what only the primary does.
    ///
    /// # Errors
    ///
    /// [`SyncRefusal::standalone`] or [`SyncRefusal::not_primary`].
    pub async fn require_primary(&self) -> Result<(), SyncRefusal> {
        self.primary().await.map(drop)
    }

    /// This instance and its cluster.
    ///
    /// # Errors
    ///
    /// [`SyncRefusal::standalone`] when it belongs to none.
    async fn clustered(&self) -> Result<(Instance, ClusterId), SyncRefusal> {
        let instance = self.store.instance().await?;
        match (instance.role, instance.cluster) {
            (Role::Standalone, _) | (_, None) => Err(SyncRefusal::standalone()),
            (_, Some(cluster)) => Ok((instance, cluster)),
        }
    }

    /// This instance if it is the primary.
    async fn primary(&self) -> Result<(Instance, ClusterId), SyncRefusal> {
        let (instance, cluster) = self.clustered().await?;
        match instance.role {
            Role::Primary => Ok((instance, cluster)),
            _ => Err(SyncRefusal::not_primary(&instance)),
        }
    }
}
