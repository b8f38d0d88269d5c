//! `/api/admin/settings`: the settings that all hubs on one database share.

use axum::extract::{Path, State};
use easytier_uptime_monitor::{
    Refusal,
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::Body,
};
use easytier_uptime_store::domain::{LiveSetting, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    service::{Admin, SharedSetting},
    web::{ChangeSettings, Permitted},
};

/// A setting that all hubs on one database share.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettingItem {
    /// The name, which is that of the environment variable.
    #[schema(example = "RESULT_RETENTION")]
    name: &'static str,
    /// The value in use.
    #[schema(example = "720h")]
    value: String,
    /// The value without one in the database: what this hub is configured with, or the built-in value.
    #[schema(example = "168h")]
    default: String,
    /// When the database got its value; null if it has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
}

impl From<SharedSetting> for SettingItem {
    fn from(SharedSetting { setting, value, default, changed_at }: SharedSetting) -> Self {
        Self { name: setting.name(), value, default, changed_at }
    }
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Settings {
    settings: Vec<SettingItem>,
}

/// A setting in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SettingPath {
    /// Its name.
    #[param(example = "RESULT_RETENTION")]
    name: String,
}

/// A value for a setting.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewValue {
    /// A number, or a duration such as `720h`; null restores the default.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, example = "720h")]
    value: Option<String>,
}

/// A setting that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedSetting {
    #[serde(flatten)]
    setting: SettingItem,
    /// The value that it had.
    #[schema(example = "168h")]
    before: String,
}

/// The settings that all hubs on one database share.
#[utoipa::path(
    get, path = "/api/admin/settings", tag = TAG, operation_id = "admin_list_settings",
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<Settings>),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `settings`.", body = PublicRefusal),
    ),
)]
pub(super) async fn list(_: Permitted<ChangeSettings>, State(admin): State<Admin>) -> Answer<PublicEnvelope<Settings>> {
    let settings = admin.shared_settings().await?.into_iter().map(SettingItem::from).collect();
    Ok(PublicEnvelope::of(Settings { settings }))
}

/// Changes a setting, at all hubs on the database, within seconds and without a restart.
#[utoipa::path(
    put, path = "/api/admin/settings/{name}", tag = TAG, operation_id = "admin_change_setting",
    params(SettingPath), request_body = NewValue,
    security(("bearer" = []), ("session_cookie" = [])),
    responses(
        (status = OK, body = PublicEnvelope<ChangedSetting>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = UNAUTHORIZED, body = PublicRefusal),
        (status = FORBIDDEN, description = "The API key lacks the scope `settings`, or the request comes from a page of another site.", body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
        (status = CONFLICT, description = "Somebody changed the setting at the same time, or this instance is not the primary.", body = PublicRefusal),
        (status = PAYLOAD_TOO_LARGE, body = PublicRefusal),
    ),
)]
pub(super) async fn change(
    _: Permitted<ChangeSettings>,
    State(admin): State<Admin>,
    Path(SettingPath { name }): Path<SettingPath>,
    Body(NewValue { value }): Body<NewValue>,
) -> Answer<PublicEnvelope<ChangedSetting>> {
    let setting = LiveSetting::from_name(&name).filter(|setting| setting.is_shared());
    let setting = setting.ok_or_else(|| Refusal::not_found("there is no shared setting with this name"))?;
    let (before, after) = admin.change_shared_setting(setting, value.as_deref()).await?;
    Ok(PublicEnvelope::of(ChangedSetting { setting: after.into(), before: before.value }))
}
