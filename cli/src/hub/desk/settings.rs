//! The settings that the hubs on one database share.

use easytier_uptime_hub::service::SharedSetting;
use easytier_uptime_store::domain::{LiveSetting, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Desk, DeskError, admin};

/// A setting, as the API has it.
#[derive(Debug, Deserialize)]
pub struct ListedSetting {
    pub name: String,
    pub value: String,
    pub default: String,
    pub changed_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Settings {
    settings: Vec<ListedSetting>,
}

/// What a change made of a setting.
#[derive(Deserialize)]
pub struct ChangedSetting {
    pub value: String,
    pub before: String,
}

impl From<SharedSetting> for ListedSetting {
    fn from(SharedSetting { setting, value, default, changed_at }: SharedSetting) -> Self {
        Self { name: setting.name().to_owned(), value, default, changed_at }
    }
}

impl Desk {
    /// The shared settings.
    pub async fn settings(&self) -> Result<Vec<ListedSetting>, DeskError> {
        Ok(match self {
            Self::Here(store) => admin(store).shared_settings().await?.into_iter().map(ListedSetting::from).collect(),
            Self::There(hub) => hub.get::<Settings>(&["admin", "settings"], &[]).await?.settings,
        })
    }

    /// Changes a setting; without a value it gets its default.
    pub async fn change_setting(&self, setting: LiveSetting, value: Option<&str>) -> Result<ChangedSetting, DeskError> {
        Ok(match self {
            Self::Here(store) => {
                let (before, after) = admin(store).change_shared_setting(setting, value).await?;
                ChangedSetting { value: after.value, before: before.value }
            }
            Self::There(hub) => {
                let path = ["admin", "settings", setting.name()];
                hub.send(Method::PUT, &path, Some(&json!({ "value": value }))).await?
            }
        })
    }
}
