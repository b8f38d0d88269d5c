//! The probes of a hub.

use easytier_uptime_store::domain::{Probe, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError, admin};

/// A probe, as the API has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListedProbe {
    pub server_id: String,
    pub region: String,
    pub status: String,
    pub version: Option<String>,
    pub last_seen: Timestamp,
}

impl From<Probe> for ListedProbe {
    fn from(probe: Probe) -> Self {
        Self {
            server_id: probe.server_id,
            region: probe.region.into(),
            status: probe.presence.as_str().to_owned(),
            version: probe.version,
            last_seen: probe.last_seen_at,
        }
    }
}

#[derive(Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

/// A server in the list of a hub: a probe, unless it is the hub itself or has no credential.
#[derive(Deserialize)]
struct Server {
    #[serde(flatten)]
    probe: ListedProbe,
    /// The id of the instance, of the hub that answers.
    #[serde(default)]
    instance: Option<String>,
    #[serde(default)]
    open: bool,
}

impl Desk {
    /// All probes that reported lately.
    pub async fn probes(&self) -> Result<Vec<ListedProbe>, DeskError> {
        Ok(match self {
            Self::Here(store) => store.probes(Timestamp::now()).await?.into_iter().map(ListedProbe::from).collect(),
            Self::There(hub) => {
                let Servers { servers } = hub.get(&["discovery", "servers"], &[]).await?;
                let probes = servers.into_iter().filter(|server| server.instance.is_none() && !server.open);
                probes.map(|server| server.probe).collect()
            }
        })
    }

    /// Removes a probe that is offline.
    pub async fn remove_probe(&self, server_id: &str) -> Result<(), DeskError> {
        match self {
            Self::Here(store) => admin(store).remove_probe(server_id).await?,
            Self::There(hub) => hub.send(Method::DELETE, &["admin", "probes", server_id], None).await?,
        }
        Ok(())
    }
}
