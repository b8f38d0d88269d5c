//! The hub that a command works on: the one whose database is here, or one elsewhere.

mod apply;
mod audit;
mod listed;
mod peers;
mod probes;
mod regions;
mod settings;
mod status;

use clap::Args;
use easytier_probe::backend::BaseUrl;
use easytier_uptime_hub::service::{Admin, ServiceError, apply::Mistakes};
use easytier_uptime_store::{Access, Store, StoreError};

pub use self::{
    apply::{Application, AppliedStep},
    audit::{Event, Events},
    listed::{Listed, url_and_name},
    probes::ListedProbe,
    regions::ListedRegion,
    settings::ListedSetting,
};
use super::{
    config::HubConfig,
    database,
    remote::{Remote, RemoteError},
};
use crate::runtime;

/// Which hub a command works on.
#[derive(Debug, Args)]
#[command(next_help_heading = "A hub elsewhere")]
pub struct WhichHub {
    /// Work on the hub at this URL, by its API, instead of on the database here; the environment variable API_KEY holds a key
    /// of that hub
    #[arg(long, value_name = "URL")]
    hub: Option<BaseUrl>,
}

/// A hub.
pub enum Desk {
    /// The database is here.
    Here(Store),
    /// It is elsewhere.
    There(Remote),
}

/// Why a hub did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Here(#[from] ServiceError),
    #[error(transparent)]
    There(#[from] RemoteError),
    /// What should be applied is not valid.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        Self::Here(error.into())
    }
}

impl DeskError {
    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Here(error) => matches!(error, ServiceError::Store(StoreError::NotFound(_))),
            Self::There(error) => error.is_not_found(),
            Self::Mistakes(_) => false,
        }
    }
}

impl WhichHub {
    /// Runs `command` on the hub. `access`: what it needs of a database that is here.
    pub fn run<T>(
        &self,
        access: Access,
        config: &HubConfig,
        command: impl AsyncFnOnce(&Desk) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        match &self.hub {
            None => database::with(access, config, async |store| command(&Desk::Here(store.clone())).await),
            Some(base) => {
                let desk = Desk::There(Remote::new(base)?);
                runtime::single_threaded()?.block_on(command(&desk))
            }
        }
    }
}

fn admin(store: &Store) -> Admin {
    Admin::new(store.clone())
}
