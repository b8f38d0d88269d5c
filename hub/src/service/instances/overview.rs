//! All instances for the operator, and what was lost in merges.

use easytier_uptime_store::domain::{Instance, LostChange, Role};

use super::{Instances, SyncRefusal};
use crate::instance::wire::InstanceView;

/// How many lost changes are shown.
const LOST_CHANGES: u32 = 50;

/// What the operator sees of a cluster.
#[derive(Debug, Clone)]
pub struct Overview {
    /// This instance.
    pub instance: Instance,
    /// The name of this instance.
    pub name: String,
    /// All instances in the order of failover, this one among them; none when it belongs to no cluster.
    pub instances: Vec<InstanceView>,
    /// What was changed and lost in a merge, the newest first.
    pub lost: Vec<LostChange>,
}

impl Instances {
    /// All instances, and what was lost in merges.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn overview(&self) -> Result<Overview, SyncRefusal> {
        let instance = self.store.instance().await?;
        let mut instances = match instance.role {
            Role::Standalone => Vec::new(),
            Role::Primary | Role::Dependent => self.all(&instance).await?,
        };
        instances.iter_mut().for_each(|view| view.role = instance.role_of(view.instance_id));
        Ok(Overview {
            instances,
            lost: self.store.lost_changes(LOST_CHANGES).await?,
            name: self.own.options.name.clone(),
            instance,
        })
    }

    /// Refuses what an admin decided while another epoch was present.
    ///
    /// # Errors
    ///
    /// [`SyncRefusal::other_epoch`], or when this instance is no primary.
    pub async fn require_epoch(&self, seen: i64) -> Result<(), SyncRefusal> {
        let (instance, _) = self.primary().await?;
        if instance.epoch == seen { Ok(()) } else { Err(SyncRefusal::other_epoch(instance.epoch)) }
    }
}
