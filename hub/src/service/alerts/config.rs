//! The configuration of a channel, as the store keeps it sealed.

use std::collections::BTreeMap;

use easytier_probe::Secret;
use easytier_uptime_alerts::Rule;
use easytier_uptime_store::domain::ChannelSpec;
use serde::{Deserialize, Serialize};

/// The settings of a channel, by the names of its kind. Some are secrets.
pub type Settings = BTreeMap<String, String>;

/// What a channel needs to send, and its rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelConfig {
    /// The settings of its kind.
    pub settings: Settings,
    /// What is told there.
    pub rules: Vec<Rule>,
}

impl ChannelConfig {
    /// Reads the stored form; nothing when it cannot be read, such as one of a newer version.
    pub fn read(config: &Secret) -> Option<Self> {
        serde_json::from_str(config.expose()).ok()
    }

    /// The form that is stored.
    pub fn write(&self) -> Secret {
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// Changes the configuration of a channel. One that cannot be read, such as one of a newer version, stays.
pub(super) fn edit_config(spec: &mut ChannelSpec, edit: impl FnOnce(&mut ChannelConfig)) {
    if let Some(mut config) = ChannelConfig::read(&spec.config) {
        edit(&mut config);
        spec.config = config.write();
    }
}
