//! How the configuration decides the role: it seeds the one in the database, which then wins. Only what changed since the last
//! start is an instruction.

use easytier_uptime_store::{
    StoreError,
    domain::{Leader, Leadership, Role},
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    introduction,
    tools::{StepError, Tools},
};

/// The role that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum ConfiguredRole {
    /// Neither a primary nor a dependent.
    Standalone,
    /// `ENABLE_SYNC_API`.
    Primary,
    /// `PRIMARY_SYNC_URL`.
    Dependent {
        /// The base URL of the primary's synchronisation API.
        primary: Url,
    },
}

impl ConfiguredRole {
    /// The role without its address.
    pub fn role(&self) -> Role {
        match self {
            Self::Standalone => Role::Standalone,
            Self::Primary => Role::Primary,
            Self::Dependent { .. } => Role::Dependent,
        }
    }
}

/// Does what the configuration instructs, if it changed since it was last followed. An instance that is to become a dependent
/// and does not reach the primary stays what it is; the next call tries again.
///
/// # Errors
///
/// When the database fails, or the primary does not answer or refuses.
pub async fn follow(tools: Tools<'_>, configured: &ConfiguredRole) -> Result<(), StepError> {
    let Tools { store, options, .. } = tools;
    let followed = store.configured_role().await?;
    let followed = followed.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(ConfiguredRole::Standalone);
    if followed == *configured {
        return Ok(());
    }
    let instance = store.instance().await?;
    let url = options.endpoint();
    match (configured, instance.role) {
        (ConfiguredRole::Standalone, Role::Standalone) | (ConfiguredRole::Primary, Role::Primary) => {}
        (ConfiguredRole::Standalone, _) => drop(store.leave().await?),
        (ConfiguredRole::Primary, Role::Standalone) => drop(store.become_primary(&options.name, url).await?),
        (ConfiguredRole::Primary, Role::Dependent) => {
            drop(store.promote(&options.name, url, instance.epoch, instance.epoch).await?);
        }
        (ConfiguredRole::Dependent { primary }, _) => join(tools, primary).await?,
    }
    let configured_text = serde_json::to_string(configured).unwrap_or_default();
    store.put_configured_role(&configured_text).await?;
    tracing::info!(role = configured.role().as_str(), "the configuration changed the role of this instance");
    Ok(())
}

/// Registers at the primary and becomes its dependent.
///
/// # Errors
///
/// When the primary does not answer or refuses, or the database fails.
pub async fn join(tools: Tools<'_>, primary: &Url) -> Result<(), StepError> {
    let Tools { store, options, client, .. } = tools;
    let secret = options.secret.as_ref().ok_or(StepError::NoSecret)?;
    let own = introduction::of(store, options, &store.instance().await?).await?;
    let registered = client.register(primary, secret, &own).await?;
    let unnamed = || StoreError::Corrupt("the primary does not say who it is".to_owned());
    let leader = Leader {
        id: registered.primary_id.ok_or_else(unnamed)?,
        name: registered.primary_name.clone().unwrap_or_default(),
        url: Some(primary.to_string()),
    };
    let leadership = Leadership { cluster: registered.cluster_id, epoch: registered.epoch, leader };
    store.join(&leadership, &registered.token.clone().into()).await?;
    tracing::info!(primary = %leadership.leader.name, "joined the cluster; the peers of this instance are set aside");
    Ok(())
}
