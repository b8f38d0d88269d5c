//! What was pushed to a daemon before it started.

use std::sync::{Arc, atomic::AtomicBool};

use easytier_probe::ListingVersion;
use easytier_uptime_monitor::control::Identity;
use easytier_uptime_store::{PushedKey, Store, StoreError, domain::PushedVersion};

use crate::{
    control::{Following, RemoteControl, Watching},
    enrollment::token_name,
    listing::backend_name,
    options::DaemonOptions,
};

/// What was pushed to a daemon before it started, which it follows now.
pub struct Pushed {
    has_own_backend: bool,
    following: Following,
    held: Option<PushedVersion>,
}

impl Pushed {
    /// What is stored, and the options of the daemon together with it.
    pub async fn load(store: &Store, options: DaemonOptions) -> Result<(DaemonOptions, Self), StoreError> {
        let has_own_backend = options.has_backend();
        let key = key(store, &options).await?;
        let (following, held) = Following::load(store, key.as_ref(), has_own_backend).await?;
        Ok((options.following(&following), Self { has_own_backend, following, held }))
    }

    /// The version of the list of peers.
    pub fn listing(&self) -> Option<ListingVersion> {
        self.held.as_ref().map(|held| held.config.into())
    }

    /// The control of the daemon with these options. `watching` are its parts, unless it waits for a backend.
    pub fn control(self, store: &Store, options: &DaemonOptions, watching: Option<Watching>) -> Arc<RemoteControl> {
        let identity = Identity {
            server_id: options.server_id.clone(),
            region: options.backend.region.clone(),
            is_enrolled: options.has_backend(),
        };
        Arc::new(RemoteControl {
            store: store.clone(),
            options: options.control.clone(),
            identity,
            following: self.following,
            has_own_backend: self.has_own_backend,
            forget_after: options.forget_after,
            watching,
            asked: AtomicBool::new(false),
        })
    }
}

/// Seals what is pushed. `None` if the probe has no token from which it could follow.
async fn key(store: &Store, options: &DaemonOptions) -> Result<Option<PushedKey>, StoreError> {
    let DaemonOptions { control, backend, .. } = options;
    let mut token = control.token.as_ref().or(backend.node_token.as_ref()).cloned();
    if token.is_none() {
        let backend = backend_name(store, &backend.base_urls).await?;
        token = store.secret(&token_name(&backend)).await?;
    }
    Ok(token.map(|token| PushedKey::of(&token)))
}
