//! What a daemon follows of the configuration that was pushed to it. A push that changes this has the daemon start again.

use easytier_uptime_config::PushedSettings;
use easytier_uptime_store::{
    HeldPushed, PushedKey, Store, StoreError,
    domain::{PushedConfig, PushedEnrollment, PushedVersion},
};

/// What a daemon follows until it is started again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Following {
    /// They replace its own.
    pub settings: PushedSettings,
    /// Its backend, if it has none in its own configuration.
    pub enrollment: Option<PushedEnrollment>,
}

impl Following {
    /// What is stored, and its version. Without a key, or with another one than it was sealed with, nothing.
    pub async fn load(
        store: &Store,
        key: Option<&PushedKey>,
        has_own_backend: bool,
    ) -> Result<(Self, Option<PushedVersion>), StoreError> {
        let held = match key {
            Some(key) => store.held_pushed(key).await?,
            None => HeldPushed::Nothing,
        };
        Ok(match held {
            HeldPushed::Nothing => Default::default(),
            HeldPushed::Unreadable => {
                tracing::error!(
                    "the configuration that a hub pushed earlier cannot be read: it was sealed with another CONTROL_TOKEN (without \
                     one, with another node token). This probe goes on as if nothing had been pushed, until the next push replaces \
                     it; with the earlier token it can be read again"
                );
                Default::default()
            }
            HeldPushed::Config(config) => {
                let settings = shown(&config);
                tracing::info!(settings, "following the configuration {} that a hub pushed", config.version);
                (Self::of(&config, has_own_backend), Some(config.version))
            }
        })
    }

    /// What a daemon follows of this configuration.
    pub fn of(config: &PushedConfig, has_own_backend: bool) -> Self {
        let settings = PushedSettings::parse(&config.settings).unwrap_or_else(|problem| {
            // Only another version of this program can have stored it.
            tracing::error!("the pushed settings are not followed: {problem}");
            PushedSettings::default()
        });
        Self { settings, enrollment: config.enrollment.clone().filter(|_| !has_own_backend) }
    }
}

/// The pushed settings, for a log.
pub fn shown(config: &PushedConfig) -> String {
    let settings: Vec<String> = config.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    settings.join(" ")
}
