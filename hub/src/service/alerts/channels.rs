//! Channels: adding, changing, removing, trying them.

use easytier_uptime_alerts::{Language, Message, Outcome, Severity, Topic};
use easytier_uptime_store::{
    StoreError,
    domain::{AlertChannel, ChannelId, ChannelSpec, Timestamp},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Alerts,
    config::{ChannelConfig, Settings, edit_config},
    rules::RuleView,
};
use crate::service::{FieldError, ServiceError, line};

/// A channel as the operator sees it: without secrets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChannelView {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind, such as `webhook`.
    pub kind: String,
    /// Whether anything is told there.
    pub enabled: bool,
    /// Its settings, without secrets.
    #[schema(value_type = BTreeMap<String, String>)]
    pub settings: Settings,
    /// What is told there.
    pub rules: Vec<RuleView>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A channel to add.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChannel {
    /// A name of 1 to 128 characters, which no other channel has.
    pub name: String,
    /// Its kind, such as `webhook`.
    pub kind: String,
    /// The settings of its kind.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub settings: Settings,
}

/// A change of a channel. What is missing stays as it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelChange {
    /// Another name.
    pub name: Option<String>,
    /// Whether anything is told there.
    pub enabled: Option<bool>,
    /// Settings to change; an empty text clears one.
    #[schema(value_type = BTreeMap<String, String>)]
    pub settings: Settings,
}

impl Alerts {
    /// All channels, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn channels(&self) -> Result<Vec<ChannelView>, ServiceError> {
        Ok(self.store.alert_channels().await?.into_iter().map(|channel| self.view(channel)).collect())
    }

    /// The channel with this name or id.
    ///
    /// # Errors
    ///
    /// When there is none, or the database fails.
    pub async fn channel(&self, name: &str) -> Result<ChannelView, ServiceError> {
        self.find(name).await.map(|channel| self.view(channel))
    }

    /// Adds a channel without rules.
    ///
    /// # Errors
    ///
    /// When the name, the kind or a setting is not valid, another channel has the name, this instance takes no edits, or the
    /// database fails.
    pub async fn add_channel(&self, new: NewChannel) -> Result<ChannelView, ServiceError> {
        let name = line::name(&new.name)?;
        self.check_settings(&new.kind, &new.settings)?;
        let config = ChannelConfig { settings: new.settings, rules: Vec::new() };
        let spec = ChannelSpec { name, kind: new.kind, enabled: true, config: config.write() };
        let id = self.store.add_channel(&spec, Timestamp::now()).await?;
        self.stored(id).await
    }

    /// Changes a channel.
    ///
    /// # Errors
    ///
    /// When there is none; otherwise as [`add_channel`](Self::add_channel).
    pub async fn change_channel(&self, channel: &str, change: ChannelChange) -> Result<ChannelView, ServiceError> {
        let found = self.find(channel).await?;
        let name = change.name.as_deref().map(line::name).transpose()?;
        let apply = |config: &mut ChannelConfig| {
            config.settings.extend(change.settings.clone());
            config.settings.retain(|_, value| !value.is_empty());
        };
        let mut config = ChannelConfig::read(&found.spec.config).unwrap_or_default();
        apply(&mut config);
        self.check_settings(&found.spec.kind, &config.settings)?;
        let edit = |spec: &mut ChannelSpec| {
            edit_config(spec, apply);
            spec.enabled = change.enabled.unwrap_or(spec.enabled);
            if let Some(name) = &name {
                spec.name.clone_from(name);
            }
        };
        self.store.edit_channel(found.id, edit, Timestamp::now()).await?;
        self.stored(found.id).await
    }

    /// Removes a channel with its rules. Its messages that wait are dropped.
    ///
    /// # Errors
    ///
    /// When there is none, this instance takes no edits, or the database fails.
    pub async fn remove_channel(&self, channel: &str) -> Result<(), ServiceError> {
        let found = self.find(channel).await?;
        Ok(self.store.remove_channel(found.id, Timestamp::now()).await?)
    }

    /// Sends a test message to a channel, at once and once.
    ///
    /// # Errors
    ///
    /// When there is none, or the database fails. What the channel says is the outcome.
    pub async fn test_channel(&self, channel: &str, language: Language) -> Result<Outcome, ServiceError> {
        let found = self.find(channel).await?;
        let config = ChannelConfig::read(&found.spec.config).unwrap_or_default();
        let id = Uuid::now_v7();
        let (title, line) = match language {
            Language::English => ("Test of a channel", "Messages of this monitor arrive here."),
            Language::Chinese => ("通知渠道测试", "监控的通知会发送到这里。"),
        };
        let message = Message {
            id,
            topic: Topic::Test,
            severity: Severity::Info,
            subject: format!("test/{id}"),
            title: title.to_owned(),
            lines: vec![line.to_owned()],
            nodes: Vec::new(),
            url: None,
            acknowledge: None,
            unsubscribe: None,
            at: Timestamp::now().into(),
            language,
        };
        Ok(self.messenger.send(&found.spec.kind, &config.settings, &message).await)
    }

    /// The channel with this name, or with this id if none has the name.
    pub(super) async fn find(&self, channel: &str) -> Result<AlertChannel, ServiceError> {
        let channels = self.store.alert_channels().await?;
        let id = channel.parse().ok().map(ChannelId);
        let named = channels.iter().position(|one| one.spec.name == channel);
        let nth = named.or_else(|| channels.iter().position(|one| Some(one.id) == id));
        let found = nth.and_then(|nth| channels.into_iter().nth(nth));
        Ok(found.ok_or(StoreError::NotFound("channel"))?)
    }

    /// The channel with this id, as it is now. Another one may have the id as its name, so [`find`](Self::find) is not for it.
    async fn stored(&self, id: ChannelId) -> Result<ChannelView, ServiceError> {
        let channel = self.store.alert_channels().await?.into_iter().find(|channel| channel.id == id);
        Ok(self.view(channel.ok_or(StoreError::NotFound("channel"))?))
    }

    fn view(&self, channel: AlertChannel) -> ChannelView {
        let AlertChannel { id, spec, created_at, updated_at, .. } = channel;
        let config = ChannelConfig::read(&spec.config).unwrap_or_default();
        ChannelView {
            id: id.0,
            settings: self.messenger.shown(&spec.kind, &config.settings),
            name: spec.name,
            kind: spec.kind,
            enabled: spec.enabled,
            rules: config.rules.into_iter().map(RuleView::of).collect(),
            created_at,
            updated_at,
        }
    }

    /// Refuses settings that a kind cannot have.
    ///
    /// # Errors
    ///
    /// When there is no such kind, or a setting is not valid.
    pub fn check_settings(&self, kind: &str, settings: &Settings) -> Result<(), ServiceError> {
        Ok(self.messenger.check(kind, settings).map_err(|problem| FieldError::new("settings", problem))?)
    }
}
