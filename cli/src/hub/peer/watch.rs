//! `hub peer watch`: peers that were set aside.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;
use easytier_uptime_hub::service::{Admin, NodeId, ServiceError};
use easytier_uptime_store::{Access, StoreError};

use crate::{
    exit::Exit,
    hub::{config::HubConfig, database, desk::url_and_name},
    print,
};

/// Checks peers again that were set aside when this instance joined a cluster ("local, not watched")
///
/// It needs the database of that instance.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// IDs (first column of 'hub peer list')
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
}

pub fn run(args: &WatchArgs, config: &HubConfig) -> anyhow::Result<Exit> {
    database::with(Access::Change, config, async |store| {
        let admin = Admin::new(store.clone());
        for id in BTreeSet::from_iter(args.ids.iter().copied().map(NodeId::from)) {
            let entry = admin.node(id).await.map_err(|error| match error {
                ServiceError::Store(StoreError::NotFound(_)) => {
                    anyhow!("there is no peer {id}; see 'hub peer list'")
                }
                error => error.into(),
            })?;
            admin.watch_node(id).await.map_err(|error| match error {
                ServiceError::Store(StoreError::NotFound(_)) => {
                    anyhow!("peer {id} is not set aside; see 'hub peer list'")
                }
                error => error.into(),
            })?;
            let spec = entry.spec();
            print::line(format!("watched peer {id}: {}", url_and_name(&spec.url.full(), &spec.name)))?;
        }
        Ok(())
    })?;
    Ok(Exit::Success)
}
