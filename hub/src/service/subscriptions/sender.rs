//! The channel whose server and sender the mails to visitors have.

use easytier_uptime_alerts::{Channel, ChannelKind};
use easytier_uptime_store::{Store, StoreError, domain::AlertChannel};

use crate::service::alerts::{ChannelConfig, Settings};

/// The channel whose server and sender the mails to visitors have.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    /// Its name.
    pub name: String,
    /// Its settings, with secrets.
    pub settings: Settings,
}

/// The oldest enabled channel that serves visitors; `None` when none does, and then there are no subscriptions.
///
/// # Errors
///
/// When the database fails.
pub(crate) async fn sender(store: &Store) -> Result<Option<Sender>, StoreError> {
    Ok(store.alert_channels().await?.into_iter().find_map(serving))
}

fn serving(channel: AlertChannel) -> Option<Sender> {
    let spec = channel.spec;
    let kind = ChannelKind::from_name(&spec.kind).filter(|kind| spec.enabled && *kind == ChannelKind::Mail)?;
    let settings = ChannelConfig::read(&spec.config)?.settings;
    let serves = Channel::new(kind, settings.clone()).is_ok_and(|channel| channel.serves_visitors());
    serves.then_some(Sender { name: spec.name, settings })
}
